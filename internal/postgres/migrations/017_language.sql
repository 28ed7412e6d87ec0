-- The language of the customer's emails, as the order says it. It is no part of a row's content, so neither image nor event
-- has it. NULL, in rows that earlier releases wrote too, means that the order names none. NOT VALID spares the scan.
ALTER TABLE order_fulfillment
    ADD COLUMN language text,
    ADD CONSTRAINT order_fulfillment_language_check CHECK (language ~ '^[a-z]{2,3}(-[a-z0-9]{2,8}){0,3}$') NOT VALID;
