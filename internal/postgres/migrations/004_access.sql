-- What the publisher's replication slot reads. Inserts alone: pruning the history is nobody's news.
CREATE PUBLICATION orderflow FOR TABLE order_fulfillment_history WITH (publish = 'insert');

-- Production connects with less than the owner's rights, for an owner could drop the triggers that keep the rows. The
-- owner, or a superuser, gives an existing role what its program needs and no more, and may do so again:
--
--     CREATE ROLE orderflow_worker LOGIN PASSWORD '...';
--     SELECT orderflow_grant_worker('orderflow_worker');
CREATE FUNCTION orderflow_grant_worker(role name) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', role);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON order_fulfillment, email_delivery TO %I', role);
    EXECUTE format('GRANT SELECT, INSERT ON order_fulfillment_line TO %I', role);
    EXECUTE format('GRANT SELECT ON orderflow_schema_version TO %I', role);
END $$;

-- The publisher's role also needs the attribute REPLICATION, which only a superuser gives.
CREATE FUNCTION orderflow_grant_publisher(role name) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', role);
    EXECUTE format('GRANT SELECT ON order_fulfillment_history TO %I', role);
    EXECUTE format('GRANT EXECUTE ON FUNCTION prune_order_fulfillment_history(timestamptz, bigint) TO %I', role);
END $$;
