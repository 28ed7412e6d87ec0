-- How far the publisher has got, one row per replication slot. The row belongs to one life of the slot: of this server
-- (system_id, timeline), and begun at slot_lsn. A slot that is further than confirmed_lsn, which is written before it is
-- confirmed, was moved or made by somebody else, and what it passed over has to be read from the history again.
CREATE TABLE publisher_mark (
    slot          text        PRIMARY KEY,
    system_id     text        NOT NULL,
    timeline      integer     NOT NULL,
    slot_lsn      pg_lsn      NOT NULL,
    confirmed_lsn pg_lsn      NOT NULL,
    snapshot_id   bigint      NOT NULL DEFAULT 0, -- every version up to here has been published or set aside
    snapshot_done boolean     NOT NULL DEFAULT false,
    updated_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Orders with a version that can never be appended as things are. It and those after it stay in the history and wait here
-- until an operator has them tried again.
CREATE TABLE publisher_set_aside (
    order_id   text        PRIMARY KEY,
    revision   bigint      NOT NULL, -- of the version that could not be appended
    through    bigint      NOT NULL, -- of the newest version that waits
    code       text        NOT NULL,
    detail     text        NOT NULL,
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX order_fulfillment_history_at ON order_fulfillment_history (at); -- finds what is old enough to be pruned

-- Drops a bounded number of versions that were published, and answers how many: call it until it answers 0. Both bounds
-- are needed, and the caller has to choose the second with care, for ids are given out before their transactions commit:
-- one below the last published id may still be on its way. Orders that are set aside keep everything they have.
CREATE OR REPLACE FUNCTION prune_order_fulfillment_history(before timestamptz, through bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET orderflow.pruning = 'on' AS $$
DECLARE
    pruned bigint;
BEGIN
    DELETE FROM order_fulfillment_history WHERE id IN (
        SELECT h.id FROM order_fulfillment_history h
        WHERE h.at < before AND h.id <= through
            AND NOT EXISTS (SELECT FROM publisher_set_aside a WHERE a.order_id = h.order_id)
        ORDER BY h.at LIMIT 2000);
    GET DIAGNOSTICS pruned = ROW_COUNT;
    RETURN pruned;
END $$;

CREATE OR REPLACE FUNCTION orderflow_grant_publisher(role name) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', role);
    EXECUTE format('GRANT SELECT ON order_fulfillment_history, orderflow_schema_version TO %I', role);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON publisher_mark, publisher_set_aside TO %I', role);
    EXECUTE format('GRANT EXECUTE ON FUNCTION prune_order_fulfillment_history(timestamptz, bigint) TO %I', role);
END $$;
