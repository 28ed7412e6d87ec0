-- The view is changed too, so the projector's row is locked first, as every writer of the view does.
DO $$ BEGIN PERFORM FROM projector_position FOR UPDATE; END $$;

-- An order may ship in several parcels. They are part of its row, so each of them is a version of it, with an event: a JSON array
-- of {carrier, trackingNumber, lines: [{line, quantity}]}. NULL in an order that ships as a whole, in rows of earlier releases
-- too; its image is what it was. NOT VALID spares the scan of the table, where the column is NULL everywhere.
ALTER TABLE order_fulfillment
    ADD COLUMN parcels jsonb,
    ADD CONSTRAINT order_fulfillment_parcels_check CHECK (jsonb_typeof(parcels) = 'array'
        AND jsonb_array_length(parcels) BETWEEN 1 AND 50) NOT VALID;

CREATE OR REPLACE FUNCTION order_fulfillment_image(r order_fulfillment) RETURNS jsonb
LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object(
        'order_id', r.order_id,
        'customer_id', r.customer_id,
        'status', r.status,
        'reason', r.reason,
        'code', r.code,
        'total_minor', r.total_minor,
        'currency', r.currency,
        'shipping_method', r.shipping_method,
        'carrier', r.carrier,
        'tracking_number', r.tracking_number,
        'source_event_id', r.source_event_id,
        'placed_at', r.placed_at)
        || CASE WHEN r.parcels IS NULL THEN '{}' ELSE jsonb_build_object('parcels', r.parcels) END
$$;

-- As before, and: parcels that have left stay, and come one by one. From the first one on an order is not canceled, and it is
-- shipped with its last one. A worker of an earlier release, which knows no parcels, is refused what it must not do.
CREATE OR REPLACE FUNCTION order_fulfillment_version() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.status = 'shipped' OR NEW.parcels IS NOT NULL THEN
            RAISE EXCEPTION 'an order is not shipped before its fulfilment began'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'order_fulfillment_begins';
        END IF;
        NEW.revision := 0;
        NEW.created_at := clock_timestamp();
        NEW.updated_at := NEW.created_at;
        RETURN NEW;
    END IF;
    NEW.created_at := OLD.created_at;
    NEW.revision := OLD.revision;
    NEW.updated_at := OLD.updated_at;
    IF order_fulfillment_image(NEW) = order_fulfillment_image(OLD) THEN
        RETURN NEW;
    END IF;
    IF OLD.status <> 'fulfilling' THEN
        RAISE EXCEPTION 'a closed fulfilment does not change'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'order_fulfillment_final';
    END IF;
    IF NEW.status = 'rejected' THEN
        RAISE EXCEPTION 'a fulfilment that began is cancelled, not rejected'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'order_fulfillment_began';
    END IF;
    IF NEW.parcels IS DISTINCT FROM OLD.parcels AND (NEW.parcels - -1) IS DISTINCT FROM coalesce(OLD.parcels, '[]') THEN
        RAISE EXCEPTION 'a parcel that has left stays, and the next one follows it'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'order_fulfillment_parcels_stay';
    END IF;
    IF OLD.parcels IS NOT NULL AND NEW.status <> 'fulfilling' AND (NEW.status = 'cancelled' OR NEW.parcels = OLD.parcels) THEN
        RAISE EXCEPTION 'an order of which a parcel has left is shipped, with its last parcel'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'order_fulfillment_parcel_left';
    END IF;
    NEW.revision := OLD.revision + 1;
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END $$;

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
    ELSIF NEW.parcels IS DISTINCT FROM OLD.parcels THEN
        kind := 'order-parcel-shipped';
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

-- One email per parcel: shipment for the first one or the only one, then shipment-2, shipment-3 and so on. So the key of the
-- ledger stays, and what earlier releases wrote and write is in it.
ALTER TABLE email_delivery
    DROP CONSTRAINT email_delivery_kind_check,
    ADD CONSTRAINT email_delivery_kind_check CHECK (kind IN ('confirmation', 'rejection', 'shipment', 'cancellation')
        OR kind ~ '^shipment-([2-9]|[1-4][0-9]|50)$') NOT VALID;

-- The view: how many parcels have left. A rebuild that is under way ends in the place of the one that is read.
ALTER TABLE customer_order ADD COLUMN parcels integer NOT NULL DEFAULT 0;
ALTER TABLE IF EXISTS customer_order_rebuild ADD COLUMN parcels integer NOT NULL DEFAULT 0;

-- The api shows the parcels of an order: a role that was given its rights before needs no second call.
CREATE OR REPLACE FUNCTION orderflow_grant_api(role name) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', role);
    EXECUTE format('GRANT SELECT (order_id, customer_id, status, reason, code, total_minor, currency, carrier, tracking_number,
        parcels, source_event_id, placed_at, created_at, updated_at, revision) ON order_fulfillment TO %I', role);
    EXECUTE format('GRANT SELECT (order_id, kind, seq, status, attempt, unknown_attempts, error_code, updated_at, sent_at,
        progress, progress_at, progress_detail) ON email_delivery TO %I', role);
    EXECUTE format('GRANT SELECT ON customer_view, customer_order, customer_order_count, customer_order_hour, projector_position
        TO %I', role);
    EXECUTE format('GRANT SELECT ON orderflow_schema_version TO %I', role);
END $$;

DO $$
DECLARE
    reader name;
BEGIN
    FOR reader IN
        SELECT r.rolname
        FROM pg_attribute a, aclexplode(a.attacl) acl JOIN pg_roles r ON r.oid = acl.grantee
        WHERE a.attrelid = 'public.order_fulfillment'::regclass AND a.attname = 'tracking_number' AND acl.privilege_type = 'SELECT'
    LOOP
        EXECUTE format('GRANT SELECT (parcels) ON order_fulfillment TO %I', reader);
    END LOOP;
END $$;
