-- When an order should have shipped, if SHIP_BY says so: from when its row was written. It is no part of the row's content, so
-- neither image nor event has it. NULL, in rows of earlier releases too, means never.
ALTER TABLE order_fulfillment ADD COLUMN ship_by timestamptz;

-- The api shows it: a role that was given its rights before needs no second call.
CREATE OR REPLACE FUNCTION orderflow_grant_api(role name) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', role);
    EXECUTE format('GRANT SELECT (order_id, customer_id, status, reason, code, total_minor, currency, carrier, tracking_number,
        parcels, ship_by, source_event_id, placed_at, created_at, updated_at, revision) ON order_fulfillment TO %I', role);
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
        WHERE a.attrelid = 'public.order_fulfillment'::regclass AND a.attname = 'parcels' AND acl.privilege_type = 'SELECT'
    LOOP
        EXECUTE format('GRANT SELECT (ship_by) ON order_fulfillment TO %I', reader);
    END LOOP;
END $$;
