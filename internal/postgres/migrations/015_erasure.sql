-- When the personal columns of an order were blanked because its person was erased. It is no part of the content of the
-- row. Orders that were erased by earlier versions have none.
ALTER TABLE order_fulfillment ADD COLUMN erased_at timestamptz;
