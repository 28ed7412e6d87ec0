-- What the publisher's replication slot reads. Inserts alone: pruning the history is nobody's news.
CREATE PUBLICATION orderflow FOR TABLE order_fulfillment_history WITH (publish = 'insert');
