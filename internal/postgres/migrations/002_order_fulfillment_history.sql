-- Every version of every row, written by trigger in the transaction that makes it. What is published to the event store
-- is read from here.
CREATE TABLE order_fulfillment_history (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id   text        NOT NULL,
    revision   bigint      NOT NULL,
    event_type text        NOT NULL,
    old        jsonb,
    new        jsonb       NOT NULL,
    at         timestamptz NOT NULL,
    UNIQUE (order_id, revision)
);

-- The content of a row is this list of columns, and only what is on the list reaches the history. Recipient and address
-- are not: so they are in no event, and blanking them neither raises the revision nor leaves a trace.
CREATE FUNCTION order_fulfillment_image(r order_fulfillment) RETURNS jsonb
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
$$;

-- Revision and times belong to the database: 0 at first, one more with each change of content, and only then a new
-- updated_at, whatever the statement said.
CREATE FUNCTION order_fulfillment_version() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.status = 'shipped' THEN
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
    NEW.revision := OLD.revision + 1;
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END $$;

-- Runs as its owner, so that a role may change rows without any right on the history; the fixed search path keeps it
-- from being led to another table. The fixed time zone keeps images the same whoever writes.
CREATE FUNCTION order_fulfillment_record() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    event_type text := 'fulfillment-changed';
BEGIN
    IF TG_OP = 'INSERT' THEN
        event_type := CASE NEW.status WHEN 'fulfilling' THEN 'order-approved' ELSE 'order-' || NEW.status END;
    ELSIF NEW.revision = OLD.revision THEN
        RETURN NULL;
    ELSIF NEW.status <> OLD.status THEN
        event_type := 'order-' || NEW.status;
    END IF;
    INSERT INTO order_fulfillment_history (order_id, revision, event_type, old, new, at)
    VALUES (NEW.order_id, NEW.revision, event_type,
        CASE TG_OP WHEN 'UPDATE' THEN order_fulfillment_image(OLD) END, order_fulfillment_image(NEW), NEW.updated_at);
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION order_fulfillment_record() FROM PUBLIC; -- or anybody could hang it on a table of his own

CREATE TRIGGER order_fulfillment_version BEFORE INSERT OR UPDATE ON order_fulfillment
    FOR EACH ROW EXECUTE FUNCTION order_fulfillment_version();
CREATE TRIGGER order_fulfillment_record AFTER INSERT OR UPDATE ON order_fulfillment
    FOR EACH ROW EXECUTE FUNCTION order_fulfillment_record();

-- Versions are written by the trigger above and dropped by the function below, and by nobody else. Both run as the
-- owner, which no right on the table gives, and say so in a way that the owner's own statements do not: the one is a
-- trigger within a trigger, the other sets a setting. The search path is fixed because the caller's is anybody's.
CREATE FUNCTION order_fulfillment_history_guard() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    meant boolean := CASE TG_OP WHEN 'INSERT' THEN pg_trigger_depth() > 1
        ELSE current_setting('orderflow.pruning', true) IS NOT DISTINCT FROM 'on' END;
    by_owner boolean := (SELECT pg_get_userbyid(relowner) = current_user FROM pg_class WHERE oid = TG_RELID);
BEGIN
    IF meant AND by_owner THEN
        RETURN coalesce(NEW, OLD);
    END IF;
    RAISE EXCEPTION '% of % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', CONSTRAINT = TG_NAME;
END $$;

CREATE TRIGGER order_fulfillment_history_guard BEFORE INSERT OR DELETE ON order_fulfillment_history
    FOR EACH ROW EXECUTE FUNCTION order_fulfillment_history_guard();
CREATE TRIGGER order_fulfillment_history_keep BEFORE UPDATE ON order_fulfillment_history
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER order_fulfillment_history_keep_all BEFORE TRUNCATE ON order_fulfillment_history
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Drops versions that were published: older than a time and up to an id, and answers how many. Both bounds are needed,
-- for ids are given out before their transactions commit: one below the last published id may still be on its way.
CREATE FUNCTION prune_order_fulfillment_history(before timestamptz, through bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET orderflow.pruning = 'on' AS $$
DECLARE
    pruned bigint;
BEGIN
    DELETE FROM order_fulfillment_history WHERE at < before AND id <= through;
    GET DIAGNOSTICS pruned = ROW_COUNT;
    RETURN pruned;
END $$;
REVOKE ALL ON FUNCTION prune_order_fulfillment_history(timestamptz, bigint) FROM PUBLIC;
