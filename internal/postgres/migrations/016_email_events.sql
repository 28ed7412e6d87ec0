-- What became of an email after the provider accepted it, by the provider's events. NULL means that there was none. NOT VALID
-- spares the scan of the table, where the columns are NULL everywhere.
ALTER TABLE email_delivery
    ADD COLUMN progress        text,
    ADD COLUMN progress_at     timestamptz, -- of the event, by the provider's clock
    ADD COLUMN progress_detail text,
    ADD CONSTRAINT email_delivery_progress_check
        CHECK (progress IN ('delayed', 'delivered', 'rejected', 'bounced', 'complained')) NOT VALID,
    ADD CONSTRAINT email_delivery_progress_detail_check CHECK (char_length(progress_detail) <= 64) NOT VALID;

-- The key of the hashes below, drawn at random for this database. No binary's role may read it.
CREATE TABLE email_suppression_key (
    key bytea NOT NULL
);
CREATE UNIQUE INDEX email_suppression_key_single ON email_suppression_key ((true));
INSERT INTO email_suppression_key SELECT uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());

-- Addresses that take no more email: their mailbox does not exist, or its owner complained. An address is kept as a keyed
-- hash, so that the list outlives the erasure of a person without naming them, is of no use beyond this database, and cannot
-- be tested against guessed addresses by a role that reads only the list.
CREATE TABLE email_suppression (
    address_hash bytea       PRIMARY KEY CHECK (octet_length(address_hash) = 32),
    reason       text        NOT NULL CHECK (reason IN ('bounced', 'complained')),
    order_id     text        NOT NULL, -- the email that showed it
    kind         text        NOT NULL,
    since        timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE FUNCTION email_address_hash(address text) RETURNS bytea
LANGUAGE sql STABLE STRICT SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT sha256(key || convert_to(lower(btrim(address) COLLATE "C"), 'UTF8')) FROM email_suppression_key
$$;
REVOKE EXECUTE ON FUNCTION email_address_hash(text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION orderflow_grant_worker(role name) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', role);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON order_fulfillment, email_delivery, orderflow_lease TO %I', role);
    EXECUTE format('GRANT SELECT, INSERT ON order_fulfillment_line TO %I', role);
    EXECUTE format('GRANT SELECT, INSERT, DELETE ON email_suppression TO %I', role);
    EXECUTE format('GRANT EXECUTE ON FUNCTION email_address_hash(text) TO %I', role);
    EXECUTE format('GRANT SELECT ON orderflow_schema_version TO %I', role);
END $$;

CREATE OR REPLACE FUNCTION orderflow_grant_api(role name) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', role);
    EXECUTE format('GRANT SELECT (order_id, customer_id, status, reason, code, total_minor, currency, carrier, tracking_number,
        source_event_id, placed_at, created_at, updated_at, revision) ON order_fulfillment TO %I', role);
    EXECUTE format('GRANT SELECT (order_id, kind, seq, status, attempt, unknown_attempts, error_code, updated_at, sent_at,
        progress, progress_at, progress_detail) ON email_delivery TO %I', role);
    EXECUTE format('GRANT SELECT ON customer_view, customer_order, customer_order_count, customer_order_hour, projector_position
        TO %I', role);
    EXECUTE format('GRANT SELECT ON orderflow_schema_version TO %I', role);
END $$;

-- Roles that were given these rights before need no second call.
DO $$
DECLARE
    given name;
BEGIN
    FOR given IN
        SELECT r.rolname
        FROM pg_class c, aclexplode(c.relacl) acl JOIN pg_roles r ON r.oid = acl.grantee
        WHERE c.oid = 'public.email_delivery'::regclass AND acl.privilege_type = 'INSERT' AND acl.grantee <> c.relowner
    LOOP
        EXECUTE format('GRANT SELECT, INSERT, DELETE ON email_suppression TO %I', given);
        EXECUTE format('GRANT EXECUTE ON FUNCTION email_address_hash(text) TO %I', given);
    END LOOP;
    FOR given IN
        SELECT r.rolname
        FROM pg_attribute a, aclexplode(a.attacl) acl JOIN pg_roles r ON r.oid = acl.grantee
        WHERE a.attrelid = 'public.email_delivery'::regclass AND a.attname = 'sent_at' AND acl.privilege_type = 'SELECT'
    LOOP
        EXECUTE format('GRANT SELECT (progress, progress_at, progress_detail) ON email_delivery TO %I', given);
    END LOOP;
END $$;
