-- The send ledger: the provider has no idempotency token, so each mail has a row that says what is known about it. A send
-- is claimed and committed before it is tried. All times are this database's.
CREATE TABLE email_delivery (
    order_id         text        NOT NULL REFERENCES order_fulfillment,
    kind             text        NOT NULL CHECK (kind IN ('confirmation', 'rejection', 'shipment', 'cancellation')),
    seq              bigint      GENERATED ALWAYS AS IDENTITY, -- tells which mail of an order is the newest
    status           text        NOT NULL
                                 CHECK (status IN ('pending', 'sending', 'sent', 'failed', 'unknown', 'suppressed')),
    recipient        text        CHECK (octet_length(recipient) BETWEEN 3 AND 320), -- empty once the person is erased
    attempt          integer     NOT NULL DEFAULT 0,
    lease_until      timestamptz, -- the attempt that is sending owns the row until then
    unknown_attempts integer     NOT NULL DEFAULT 0, -- this kind was mailed at most one time more often than this
    unknown_at       timestamptz,
    message_id       text        CHECK (octet_length(message_id) BETWEEN 1 AND 256),
    late_message_ids text[]      NOT NULL DEFAULT '{}', -- of further attempts that turned out to have been sent
    error_code       text        CHECK (char_length(error_code) <= 64),
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    sent_at          timestamptz,
    PRIMARY KEY (order_id, kind),
    CONSTRAINT email_delivery_recipient_needed CHECK (recipient IS NOT NULL OR status NOT IN ('pending', 'sending')),
    CONSTRAINT email_delivery_lease_check CHECK ((lease_until IS NOT NULL) = (status = 'sending')),
    CONSTRAINT email_delivery_sent_check CHECK ((message_id IS NOT NULL) = (status = 'sent')),
    CONSTRAINT email_delivery_unknown_check CHECK ((unknown_at IS NOT NULL) = (unknown_attempts > 0))
);

-- The mails that are not settled, few beside those that are: to count and to look at them.
CREATE INDEX email_delivery_unsettled ON email_delivery (status)
    WHERE status IN ('pending', 'sending', 'unknown');

-- A row that went away would let its mail go out again.
CREATE TRIGGER email_delivery_keep BEFORE DELETE ON email_delivery
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER email_delivery_keep_all BEFORE TRUNCATE ON email_delivery
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER email_delivery_keep_key BEFORE UPDATE ON email_delivery
    FOR EACH ROW WHEN (OLD.order_id <> NEW.order_id OR OLD.kind <> NEW.kind) EXECUTE FUNCTION refuse_change();
