-- One row per order, from the moment its fulfilment begins or it ends without one. Amounts are minor units of the
-- currency. The personal columns, recipient and address, are empty where nobody needs them and blanked when a person is
-- erased; they are no part of what the history keeps.
CREATE TABLE order_fulfillment (
    order_id         text        PRIMARY KEY CHECK (order_id ~ '^order-[A-Za-z0-9._-]{1,120}$'),
    customer_id      text        NOT NULL CHECK (octet_length(customer_id) BETWEEN 1 AND 128),
    status           text        NOT NULL CHECK (status IN ('fulfilling', 'shipped', 'rejected', 'cancelled')),
    reason           text        CHECK (reason IN ('INSUFFICIENT_CREDIT', 'UNKNOWN_CUSTOMER', 'CURRENCY_MISMATCH',
                                     'CREDIT_DECLINED', 'HOLD_EXPIRED', 'ORDER_GONE', 'FULFILLMENT_FAILED', 'CANCELLED')),
    code             text        CHECK (code ~ '^[A-Za-z0-9._-]{1,64}$'), -- the operator's, beside the reason
    total_minor      bigint      NOT NULL CHECK (total_minor > 0),
    currency         char(3)     NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    shipping_method  text,
    recipient_title  text,
    recipient_name   text,
    recipient_phone  text,
    address_country  text,
    address_lines    text[],
    carrier          text        CHECK (char_length(carrier) BETWEEN 1 AND 256),
    tracking_number  text        CHECK (char_length(tracking_number) BETWEEN 1 AND 256),
    source_event_id  text        NOT NULL CHECK (octet_length(source_event_id) BETWEEN 1 AND 128),
    placed_at        timestamptz NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    revision         bigint      NOT NULL DEFAULT 0,
    CONSTRAINT order_fulfillment_reason_when_closed CHECK ((reason IS NOT NULL) = (status IN ('rejected', 'cancelled'))),
    CONSTRAINT order_fulfillment_code_with_reason CHECK (code IS NULL OR reason IS NOT NULL),
    CONSTRAINT order_fulfillment_shipment_when_shipped
        CHECK ((carrier IS NOT NULL AND tracking_number IS NOT NULL) = (status = 'shipped'))
);

CREATE TABLE order_fulfillment_line (
    order_id     text    NOT NULL REFERENCES order_fulfillment,
    line_no      integer NOT NULL CHECK (line_no >= 1),
    product_id   text    NOT NULL,
    product_name text    NOT NULL,
    quantity     integer NOT NULL CHECK (quantity >= 1),
    unit_price   numeric NOT NULL CHECK (unit_price >= 0), -- before tax, in the order's currency
    tax_rate     numeric NOT NULL CHECK (tax_rate BETWEEN 0 AND 1),
    total_minor  bigint  NOT NULL CHECK (total_minor >= 0), -- with tax, rounded
    PRIMARY KEY (order_id, line_no)
);

-- Nothing is ever deleted here, and no key moves: what reads the history relies on every version having been there.
-- Triggers hold for every role but a superuser; the tables' owner could drop them, so production connects as another
-- role than the one that migrates.
CREATE FUNCTION refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', CONSTRAINT = TG_NAME;
END $$;

CREATE TRIGGER order_fulfillment_keep BEFORE DELETE ON order_fulfillment
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER order_fulfillment_keep_all BEFORE TRUNCATE ON order_fulfillment
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER order_fulfillment_keep_key BEFORE UPDATE ON order_fulfillment
    FOR EACH ROW WHEN (OLD.order_id <> NEW.order_id) EXECUTE FUNCTION refuse_change();
CREATE TRIGGER order_fulfillment_line_keep BEFORE UPDATE OR DELETE ON order_fulfillment_line
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER order_fulfillment_line_keep_all BEFORE TRUNCATE ON order_fulfillment_line
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Lines come in the transaction that writes their order's row, all at once, or not at all. Checked once for all of them.
CREATE FUNCTION order_fulfillment_line_complete() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (
        SELECT FROM (SELECT order_id, count(*) AS lines FROM added GROUP BY order_id) a
        JOIN order_fulfillment f USING (order_id)
        WHERE f.xmin <> pg_current_xact_id()::xid
            OR (SELECT count(*) FROM order_fulfillment_line l WHERE l.order_id = a.order_id) > a.lines
    ) THEN
        RAISE EXCEPTION 'an order''s lines are written together with it'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = TG_NAME;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER order_fulfillment_line_complete AFTER INSERT ON order_fulfillment_line
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION order_fulfillment_line_complete();
