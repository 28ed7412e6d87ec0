-- Which process does what one process at a time must do, such as export the metrics that are the same in every worker. A
-- lease is a row and no session lock: it works through a pooler, and a failover leaves it to its holder. Its time is the
-- database's.
CREATE TABLE orderflow_lease (
    name       text        PRIMARY KEY,
    holder     text        NOT NULL, -- one life of one process
    expires_at timestamptz NOT NULL
);

CREATE OR REPLACE FUNCTION orderflow_grant_worker(role name) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', role);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON order_fulfillment, email_delivery, orderflow_lease TO %I', role);
    EXECUTE format('GRANT SELECT, INSERT ON order_fulfillment_line TO %I', role);
    EXECUTE format('GRANT SELECT ON orderflow_schema_version TO %I', role);
END $$;

-- A role that was given the worker's rights before needs no second call.
DO $$
DECLARE
    worker name;
BEGIN
    FOR worker IN
        SELECT r.rolname
        FROM pg_class c, aclexplode(c.relacl) acl JOIN pg_roles r ON r.oid = acl.grantee
        WHERE c.oid = 'public.email_delivery'::regclass AND acl.privilege_type = 'INSERT' AND acl.grantee <> c.relowner
    LOOP
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON orderflow_lease TO %I', worker);
    END LOOP;
END $$;
