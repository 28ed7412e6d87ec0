-- Lists of orders, and figures about all of them, from the customer view. Reads of the view go on, except for a moment at
-- the end. The projector waits: its row is locked first, as every writer of the view does.
DO $$ BEGIN PERFORM FROM projector_position FOR UPDATE; END $$;

-- How many orders have a status, and how many were placed in, or reached their end in, an hour of UTC. An order's hour of
-- placing is that of its first event, by the event store's clock: the producer may have written any time into the order.
CREATE TABLE customer_order_count (
    status text   PRIMARY KEY,
    orders bigint NOT NULL
);

CREATE TABLE customer_order_hour (
    hour   timestamptz NOT NULL,
    figure text        NOT NULL CHECK (figure IN ('placed', 'shipped', 'rejected', 'cancelled')),
    orders bigint      NOT NULL,
    PRIMARY KEY (hour, figure)
);

-- Counts what a statement changed in the orders of a view, in its transaction. It is a trigger and no part of the projector, so
-- that the counts are right while a projector of an earlier release still runs. It runs as its owner: a role that may
-- write orders needs no right on the counts.
CREATE FUNCTION customer_order_counted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    suffix  text := CASE TG_TABLE_NAME WHEN 'customer_order' THEN '' ELSE '_rebuild' END;
    changed text := CASE TG_OP
        WHEN 'INSERT' THEN 'SELECT s.status, NULL::text AS old_status, s.updated_at FROM stored s'
        ELSE 'SELECT s.status, r.status AS old_status, s.updated_at FROM stored s JOIN replaced r USING (order_id)
            WHERE s.status <> r.status' END;
BEGIN
    EXECUTE format('
        WITH changed AS (%s)
        INSERT INTO %I AS t (status, orders)
        SELECT status, sum(n) FROM (SELECT status, 1 AS n FROM changed
            UNION ALL SELECT old_status, -1 FROM changed WHERE old_status IS NOT NULL) AS d
        GROUP BY status HAVING sum(n) <> 0
        ON CONFLICT (status) DO UPDATE SET orders = t.orders + excluded.orders',
        changed, 'customer_order_count' || suffix);
    EXECUTE format('
        WITH changed AS (%s)
        INSERT INTO %I AS t (hour, figure, orders)
        SELECT date_trunc(''hour'', updated_at), figure, count(*)
        FROM (SELECT updated_at, ''placed'' AS figure FROM changed WHERE old_status IS NULL
            UNION ALL SELECT updated_at, status FROM changed WHERE status IN (''shipped'', ''rejected'', ''cancelled'')) AS d
        GROUP BY 1, 2
        ON CONFLICT (hour, figure) DO UPDATE SET orders = t.orders + excluded.orders',
        changed, 'customer_order_hour' || suffix);
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION customer_order_counted() FROM PUBLIC;

-- Makes the counts of a view's orders, fills them, and has them kept. No other writer may change the orders meanwhile.
CREATE FUNCTION customer_order_count_begin(suffix text) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    orders text := 'customer_order' || suffix;
BEGIN
    IF suffix <> '' THEN
        EXECUTE format('DROP TABLE IF EXISTS %I', 'customer_order_count' || suffix);
        EXECUTE format('DROP TABLE IF EXISTS %I', 'customer_order_hour' || suffix);
        EXECUTE format('CREATE TABLE %I (LIKE customer_order_count INCLUDING ALL)', 'customer_order_count' || suffix);
        EXECUTE format('CREATE TABLE %I (LIKE customer_order_hour INCLUDING ALL)', 'customer_order_hour' || suffix);
    END IF;
    EXECUTE format('INSERT INTO %I SELECT status, count(*) FROM %I GROUP BY status', 'customer_order_count' || suffix, orders);
    EXECUTE format('
        INSERT INTO %I SELECT date_trunc(''hour'', at), figure, count(*)
        FROM (SELECT coalesce(placed_at, updated_at) AS at, ''placed'' AS figure FROM %I
            UNION ALL SELECT updated_at, status FROM %I WHERE status IN (''shipped'', ''rejected'', ''cancelled'')) AS d
        GROUP BY 1, 2', 'customer_order_hour' || suffix, orders, orders);
    EXECUTE format('CREATE TRIGGER customer_order_inserted AFTER INSERT ON %I
        REFERENCING NEW TABLE AS stored FOR EACH STATEMENT EXECUTE FUNCTION customer_order_counted()', orders);
    EXECUTE format('CREATE TRIGGER customer_order_updated AFTER UPDATE ON %I
        REFERENCING OLD TABLE AS replaced NEW TABLE AS stored FOR EACH STATEMENT EXECUTE FUNCTION customer_order_counted()', orders);
END $$;
REVOKE ALL ON FUNCTION customer_order_count_begin(text) FROM PUBLIC;

-- The lists: orders of one status, reason or customer, newest first, each page from where the last one ended. An order whose time
-- is not known comes last. The index of a customer's recent orders had another order until now, and has another name after a
-- rebuild. Last, the end of a hold, as the account says it: held orders that are in the view already have none until a rebuild.
DO $$
DECLARE
    orders text;
    old    regclass;
BEGIN
    FOREACH orders IN ARRAY ARRAY['customer_order', 'customer_order_rebuild'] LOOP
        CONTINUE WHEN to_regclass(orders) IS NULL; -- no rebuild is under way
        EXECUTE format('CREATE INDEX ON %I (status, coalesce(placed_at, ''-infinity'') DESC, order_id DESC)', orders);
        EXECUTE format('CREATE INDEX ON %I (customer_id, coalesce(placed_at, ''-infinity'') DESC, order_id DESC)', orders);
        EXECUTE format('CREATE INDEX ON %I (reason, status, coalesce(placed_at, ''-infinity'') DESC, order_id DESC)
            WHERE reason <> ''''', orders);
        PERFORM customer_order_count_begin(substr(orders, length('customer_order') + 1));
        FOR old IN SELECT indexrelid FROM pg_index WHERE indrelid = orders::regclass
            AND pg_get_indexdef(indexrelid) LIKE '%(customer_id, placed_at DESC NULLS LAST, order_id)'
        LOOP
            EXECUTE format('DROP INDEX %s', old);
        END LOOP;
        EXECUTE format('ALTER TABLE %I ADD COLUMN hold_until timestamptz', orders);
    END LOOP;
END $$;

-- A rebuild has counts of its own, which take the place of the others with the rest.
CREATE FUNCTION projector_rebuild_copy_rights(name text) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    acl record;
BEGIN
    FOR acl IN
        SELECT grantee::regrole AS role, privilege_type AS privilege
        FROM pg_class, aclexplode(relacl) WHERE oid = name::regclass AND grantee <> 0 AND grantee <> relowner
    LOOP
        EXECUTE format('GRANT %s ON %I TO %s', acl.privilege, name || '_rebuild', acl.role);
    END LOOP;
END $$;
REVOKE ALL ON FUNCTION projector_rebuild_copy_rights(text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION projector_rebuild_begin() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['customer_view', 'customer_order'] LOOP
        EXECUTE format('DROP TABLE IF EXISTS %I', name || '_rebuild');
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', name || '_rebuild', name);
    END LOOP;
    PERFORM customer_order_count_begin('_rebuild');
    FOREACH name IN ARRAY ARRAY['customer_view', 'customer_order', 'customer_order_count', 'customer_order_hour'] LOOP
        PERFORM projector_rebuild_copy_rights(name);
    END LOOP;
    INSERT INTO projector_position (view, commit_position, prepare_position) VALUES ('rebuild', 0, 0)
        ON CONFLICT (view) DO UPDATE SET commit_position = 0, prepare_position = 0, event_at = NULL;
END $$;

CREATE OR REPLACE FUNCTION projector_rebuild_finish(commit_at bigint, prepare_at bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    name text;
BEGIN
    PERFORM FROM projector_position FOR UPDATE; -- first, as every writer of the view does
    IF NOT EXISTS (SELECT FROM projector_position
        WHERE view = 'rebuild' AND commit_position = commit_at AND prepare_position = prepare_at) THEN
        RAISE EXCEPTION 'the view that was built is not where it was left' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    -- Readers of several tables take them in this order.
    FOREACH name IN ARRAY ARRAY['customer_view', 'customer_order', 'customer_order_count', 'customer_order_hour'] LOOP
        EXECUTE format('DROP TABLE %I', name);
        EXECUTE format('ALTER TABLE %I RENAME TO %I', name || '_rebuild', name);
    END LOOP;
    UPDATE projector_position live SET (commit_position, prepare_position, event_at, updated_at) =
        (SELECT commit_position, prepare_position, event_at, clock_timestamp() FROM projector_position WHERE view = 'rebuild')
        WHERE view = 'live';
    DELETE FROM projector_position WHERE view = 'rebuild';
END $$;

CREATE OR REPLACE FUNCTION orderflow_grant_api(role name) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', role);
    EXECUTE format('GRANT SELECT (order_id, customer_id, status, reason, code, total_minor, currency, carrier, tracking_number,
        source_event_id, placed_at, created_at, updated_at, revision) ON order_fulfillment TO %I', role);
    EXECUTE format('GRANT SELECT (order_id, kind, seq, status, attempt, unknown_attempts, error_code, updated_at, sent_at)
        ON email_delivery TO %I', role);
    EXECUTE format('GRANT SELECT ON customer_view, customer_order, customer_order_count, customer_order_hour, projector_position
        TO %I', role);
    EXECUTE format('GRANT SELECT ON orderflow_schema_version TO %I', role);
END $$;

-- A role that reads the view already, such as the api's, needs no second call.
DO $$
DECLARE
    reader name;
BEGIN
    FOR reader IN
        SELECT r.rolname
        FROM pg_class c, aclexplode(c.relacl) acl JOIN pg_roles r ON r.oid = acl.grantee
        WHERE c.oid = 'public.customer_order'::regclass AND acl.privilege_type = 'SELECT' AND acl.grantee <> c.relowner
    LOOP
        EXECUTE format('GRANT SELECT ON customer_order_count, customer_order_hour TO %I', reader);
    END LOOP;
    IF to_regclass('customer_order_rebuild') IS NOT NULL THEN
        PERFORM projector_rebuild_copy_rights('customer_order_count'), projector_rebuild_copy_rights('customer_order_hour');
    END IF;
END $$;
