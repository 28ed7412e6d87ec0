-- Finds the orders that are late, which the api lists. It has an entry for each open order with a time, so it is empty without
-- SHIP_BY.
CREATE INDEX order_fulfillment_ship_by ON order_fulfillment (ship_by) WHERE status = 'fulfilling' AND ship_by IS NOT NULL;
