-- What led to an order: the correlation id and the W3C trace context of the event that placed it. They are no part of a row's
-- content, so neither image nor event body has them, and a version stays the same version with or without them. NULL, in rows
-- that earlier releases wrote too, means none. NOT VALID spares the scan of the table, where the columns are NULL everywhere.
ALTER TABLE order_fulfillment
    ADD COLUMN correlation_id text,
    ADD COLUMN traceparent    text,
    ADD CONSTRAINT order_fulfillment_correlation_id_check CHECK (correlation_id ~ '^[A-Za-z0-9._:-]{1,128}$') NOT VALID,
    ADD CONSTRAINT order_fulfillment_traceparent_check
        CHECK (traceparent ~ '^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$') NOT VALID;

ALTER TABLE order_fulfillment_history
    ADD COLUMN correlation_id text,
    ADD COLUMN traceparent    text;

CREATE OR REPLACE FUNCTION order_fulfillment_record() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    kind text := 'fulfillment-changed';
    old_image jsonb := CASE TG_OP WHEN 'UPDATE' THEN order_fulfillment_image(OLD) END;
    new_image jsonb := order_fulfillment_image(NEW);
BEGIN
    IF TG_OP = 'INSERT' THEN
        kind := CASE NEW.status WHEN 'fulfilling' THEN 'order-approved' ELSE 'order-' || NEW.status END;
    ELSIF NEW.revision = OLD.revision THEN
        RETURN NULL;
    ELSIF NEW.status <> OLD.status THEN
        kind := 'order-' || NEW.status;
    END IF;
    INSERT INTO order_fulfillment_history (order_id, revision, event_type, old, new, at, correlation_id, traceparent)
    VALUES (NEW.order_id, NEW.revision, kind, old_image, new_image, NEW.updated_at, NEW.correlation_id, NEW.traceparent)
    ON CONFLICT (order_id, revision) DO NOTHING;
    IF NOT FOUND AND NOT EXISTS (
        SELECT FROM order_fulfillment_history h
        WHERE h.order_id = NEW.order_id AND h.revision = NEW.revision AND h.event_type = kind
            AND h.old IS NOT DISTINCT FROM old_image AND h.new = new_image
    ) THEN
        RAISE EXCEPTION 'revision % of an order is another version in its history', NEW.revision
            USING ERRCODE = 'unique_violation', CONSTRAINT = 'order_fulfillment_history_order_id_revision_key';
    END IF;
    RETURN NULL;
END $$;

-- The view. A rebuild that is under way ends in the place of the one that is read, so its table gets the columns too.
ALTER TABLE customer_order
    ADD COLUMN correlation_id text NOT NULL DEFAULT '',
    ADD COLUMN traceparent    text NOT NULL DEFAULT '';
ALTER TABLE IF EXISTS customer_order_rebuild
    ADD COLUMN correlation_id text NOT NULL DEFAULT '',
    ADD COLUMN traceparent    text NOT NULL DEFAULT '';
