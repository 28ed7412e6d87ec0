-- The customer view, kept by the projector from the event streams. It can be thrown away and built again: nothing but the
-- view itself relies on it. A zero revision of a stream is its first event; -1 says that none was taken.
CREATE TABLE customer_view (
    customer_id     text        PRIMARY KEY,
    currency        char(3),              -- of limit and reservations; none until the account is opened
    limit_minor     bigint      NOT NULL,
    reserved_minor  bigint      NOT NULL,
    available_minor bigint      GENERATED ALWAYS AS (greatest(0, limit_minor - reserved_minor)) STORED,
    credit_revision bigint      NOT NULL, -- of credit-<customer id>
    updated_at      timestamptz NOT NULL  -- when the last event that changed something was written
);

CREATE TABLE customer_order (
    order_id             text        PRIMARY KEY,
    customer_id          text        NOT NULL,
    status               text        NOT NULL,
    reason               text        NOT NULL,
    total_minor          bigint      NOT NULL,
    currency             char(3),
    credit               text        NOT NULL,
    carrier              text        NOT NULL,
    tracking_number      text        NOT NULL,
    placed_at            timestamptz,
    updated_at           timestamptz NOT NULL,
    order_revision       bigint      NOT NULL, -- of order-<id>
    credit_revision      bigint      NOT NULL, -- of credit-<customer id>, the last event about this order
    fulfillment_revision bigint      NOT NULL  -- of fulfillment-<order id>
);

-- A customer's recent orders, newest first.
CREATE INDEX customer_order_recent ON customer_order (customer_id, placed_at DESC NULLS LAST, order_id);

-- How far the log was taken, in the transaction that stored what it said. The row of the view that is read, and while one
-- is built, that of the new one.
CREATE TABLE projector_position (
    view             text        PRIMARY KEY CHECK (view IN ('live', 'rebuild')),
    commit_position  bigint      NOT NULL,
    prepare_position bigint      NOT NULL,
    event_at         timestamptz, -- when the last event that was taken was written
    updated_at       timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO projector_position (view, commit_position, prepare_position) VALUES ('live', 0, 0);

-- Makes empty tables for a view that is built beside the one that is read. A role that may write the one may write the
-- other: the rights are copied, for a table that is made has none.
CREATE FUNCTION projector_rebuild_begin() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    name text;
    acl  record;
BEGIN
    FOREACH name IN ARRAY ARRAY['customer_view', 'customer_order'] LOOP
        EXECUTE format('DROP TABLE IF EXISTS %I', name || '_rebuild');
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', name || '_rebuild', name);
        FOR acl IN
            SELECT grantee::regrole AS role, privilege_type AS privilege
            FROM pg_class, aclexplode(relacl) WHERE oid = name::regclass AND grantee <> 0 AND grantee <> relowner
        LOOP
            EXECUTE format('GRANT %s ON %I TO %s', acl.privilege, name || '_rebuild', acl.role);
        END LOOP;
    END LOOP;
    INSERT INTO projector_position (view, commit_position, prepare_position) VALUES ('rebuild', 0, 0)
        ON CONFLICT (view) DO UPDATE SET commit_position = 0, prepare_position = 0, event_at = NULL;
END $$;

-- Puts the new view in the place of the old one, if it is where the caller left it: a rebuild that was paused must not put
-- another one's half in place. Whoever wrote to the old one finds the position moved.
CREATE FUNCTION projector_rebuild_finish(commit_at bigint, prepare_at bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    name text;
BEGIN
    PERFORM FROM projector_position FOR UPDATE; -- first, as whoever writes to the view does
    IF NOT EXISTS (SELECT FROM projector_position
        WHERE view = 'rebuild' AND commit_position = commit_at AND prepare_position = prepare_at) THEN
        RAISE EXCEPTION 'the view that was built is not where it was left' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    FOREACH name IN ARRAY ARRAY['customer_view', 'customer_order'] LOOP
        EXECUTE format('DROP TABLE %I', name);
        EXECUTE format('ALTER TABLE %I RENAME TO %I', name || '_rebuild', name);
    END LOOP;
    UPDATE projector_position live SET (commit_position, prepare_position, event_at, updated_at) =
        (SELECT commit_position, prepare_position, event_at, clock_timestamp() FROM projector_position WHERE view = 'rebuild')
        WHERE view = 'live';
    DELETE FROM projector_position WHERE view = 'rebuild';
END $$;
REVOKE ALL ON FUNCTION projector_rebuild_begin(), projector_rebuild_finish(bigint, bigint) FROM PUBLIC;

-- What the projector's and the api's roles need.
CREATE FUNCTION orderflow_grant_projector(role name) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', role);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON customer_view, customer_order, projector_position TO %I', role);
    EXECUTE format('GRANT EXECUTE ON FUNCTION projector_rebuild_begin(), projector_rebuild_finish(bigint, bigint) TO %I', role);
    EXECUTE format('GRANT SELECT ON orderflow_schema_version TO %I', role);
END $$;

-- The api reads what became of an order and its mails, and nothing that tells who ordered. The view's tables hold nothing of
-- that kind, and are granted whole: a rebuild copies the rights of tables.
CREATE FUNCTION orderflow_grant_api(role name) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', role);
    EXECUTE format('GRANT SELECT (order_id, customer_id, status, reason, code, total_minor, currency, carrier, tracking_number,
        source_event_id, placed_at, created_at, updated_at, revision) ON order_fulfillment TO %I', role);
    EXECUTE format('GRANT SELECT (order_id, kind, seq, status, attempt, unknown_attempts, error_code, updated_at, sent_at)
        ON email_delivery TO %I', role);
    EXECUTE format('GRANT SELECT ON customer_view, customer_order, projector_position TO %I', role);
    EXECUTE format('GRANT SELECT ON orderflow_schema_version TO %I', role);
END $$;
