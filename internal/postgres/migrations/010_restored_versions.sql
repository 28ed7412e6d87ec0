-- A row that was lost is restored as the same versions. Where the history still has one of them, that is it: nothing is
-- written twice, and another content at the same revision is refused as before.
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
    INSERT INTO order_fulfillment_history (order_id, revision, event_type, old, new, at)
    VALUES (NEW.order_id, NEW.revision, kind, old_image, new_image, NEW.updated_at)
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
