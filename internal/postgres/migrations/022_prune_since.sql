-- As before, and from a time on, with the time of the last version that it dropped. A caller that passes it to its next call
-- spares that call the versions dropped since the last vacuum, which are still in the index, and those of orders that are set
-- aside: without it each call read them all again. NULL begins at the oldest. Publishers of earlier releases call the other
-- function.
CREATE OR REPLACE FUNCTION prune_order_fulfillment_history(
    since timestamptz, before timestamptz, through bigint, OUT pruned bigint, OUT last timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET orderflow.pruning = 'on' AS $$
BEGIN
    WITH gone AS (
        DELETE FROM order_fulfillment_history WHERE id IN (
            SELECT h.id FROM order_fulfillment_history h
            WHERE h.at >= coalesce(since, '-infinity') AND h.at < before AND h.id <= through
                AND NOT EXISTS (SELECT FROM publisher_set_aside a WHERE a.order_id = h.order_id)
            ORDER BY h.at LIMIT 2000)
        RETURNING at)
    SELECT count(*), max(at) INTO pruned, last FROM gone;
END $$;
REVOKE ALL ON FUNCTION prune_order_fulfillment_history(timestamptz, timestamptz, bigint) FROM PUBLIC;

CREATE OR REPLACE FUNCTION orderflow_grant_publisher(role name) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', role);
    EXECUTE format('GRANT SELECT ON order_fulfillment_history, orderflow_schema_version TO %I', role);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON publisher_mark, publisher_set_aside TO %I', role);
    EXECUTE format('GRANT EXECUTE ON FUNCTION prune_order_fulfillment_history(timestamptz, bigint),
        prune_order_fulfillment_history(timestamptz, timestamptz, bigint) TO %I', role);
END $$;

-- A role that was given its rights before needs no second call.
DO $$
DECLARE
    given name;
BEGIN
    FOR given IN
        SELECT r.rolname
        FROM pg_proc p, aclexplode(p.proacl) acl JOIN pg_roles r ON r.oid = acl.grantee
        WHERE p.oid = 'public.prune_order_fulfillment_history(timestamptz, bigint)'::regprocedure
            AND acl.privilege_type = 'EXECUTE' AND acl.grantee <> p.proowner
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION prune_order_fulfillment_history(timestamptz, timestamptz, bigint) TO %I', given);
    END LOOP;
END $$;
