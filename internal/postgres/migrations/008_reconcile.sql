-- `starter reconcile` reads what became of the orders, and nothing that tells who ordered: its role is given columns, and no
-- table.
CREATE FUNCTION orderflow_grant_reconcile(role name) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', role);
    EXECUTE format('GRANT SELECT (order_id, customer_id, status, reason, code, total_minor, currency, source_event_id,
        placed_at, created_at, updated_at, revision) ON order_fulfillment TO %I', role);
    EXECUTE format('GRANT SELECT (order_id, kind, seq, status) ON email_delivery TO %I', role);
    EXECUTE format('GRANT SELECT ON orderflow_schema_version TO %I', role);
END $$;
