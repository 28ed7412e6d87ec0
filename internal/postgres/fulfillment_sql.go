package postgres

// The statements that change an order's row, and the one that reads it afterwards. A
// transaction sends some of them and then selectFulfillment. Names with an @ are
// parameters.

// lockOrder is the first statement of every change to an existing order, so that the
// steps of one order run one after another: the statements after it see what the previous
// holder committed. The lock is the one that an UPDATE takes: it still allows inserting
// rows that refer to the order. It changes nothing, so it may be repeated.
const lockOrder = `SELECT FROM order_fulfillment WHERE order_id = @order_id FOR NO KEY UPDATE`

// insertFulfillment writes an order's row, its lines and its first email. It waits for
// another transaction that is inserting the same order. Repeated, it finds the row and
// writes nothing: lines and email are inserted only if the row was.
const insertFulfillment = `
WITH inserted AS (
    INSERT INTO order_fulfillment (order_id, customer_id, status, reason, code, total_minor, currency, shipping_method,
        recipient_title, recipient_name, recipient_phone, address_country, address_lines, source_event_id, placed_at,
        correlation_id, traceparent, language, ship_by)
    VALUES (@order_id, @customer_id, @status, @reason, @code, @total_minor, @currency, @shipping_method,
        @recipient_title, @recipient_name, @recipient_phone, @address_country, @address_lines, @source_event_id, @placed_at,
        @correlation_id, @traceparent, @language, clock_timestamp() + @ship_by::interval)
    ON CONFLICT (order_id) DO NOTHING
    RETURNING order_id
), lines AS (
    INSERT INTO order_fulfillment_line
        (order_id, line_no, product_id, product_name, quantity, unit_price, tax_rate, total_minor)
    SELECT @order_id, l.line_no, l.product_id, l.product_name, l.quantity,
        l.unit_price::numeric, l.tax_rate::numeric, l.total_minor
    FROM inserted, unnest(@line_no::integer[], @product_id::text[], @product_name::text[], @quantity::integer[],
            @unit_price::text[], @tax_rate::text[], @line_total_minor::bigint[])
        AS l (line_no, product_id, product_name, quantity, unit_price, tax_rate, total_minor)
)
INSERT INTO email_delivery (order_id, kind, status, recipient)
SELECT order_id, @mail_kind, 'pending', @mail_recipient::text FROM inserted WHERE @mail_recipient::text IS NOT NULL`

// shipFulfillment closes a fulfillment as shipped and queues the email about it,
// addressed like the confirmation. Without an address, because the person was erased, the
// email is suppressed. Repeated, it finds the order closed and changes nothing; so it does
// if the row lacks parcels before the last one. Customer and total must match, because
// another order may have the same id.
const shipFulfillment = `
WITH closed AS (
    UPDATE order_fulfillment SET status = 'shipped', carrier = @carrier, tracking_number = @tracking_number,
        parcels = @parcels::jsonb, correlation_id = coalesce(correlation_id, @correlation_id), traceparent = coalesce(traceparent, @traceparent)
    WHERE order_id = @order_id AND status = 'fulfilling' AND coalesce(jsonb_array_length(parcels), 0) = @parcels_before
        AND customer_id = @customer_id AND total_minor = @total_minor AND currency = @currency
    RETURNING order_id
)
INSERT INTO email_delivery (order_id, kind, status, recipient)
SELECT order_id, @mail_kind, CASE WHEN recipient IS NULL THEN 'suppressed' ELSE 'pending' END, recipient
FROM closed JOIN email_delivery USING (order_id) WHERE kind = 'confirmation'`

// recordParcel adds a parcel to a fulfillment that others follow, and queues the email
// about it like shipFulfillment. Repeated, it finds the parcel in the row and changes
// nothing.
const recordParcel = `
WITH shipped AS (
    UPDATE order_fulfillment SET parcels = @parcels::jsonb
    WHERE order_id = @order_id AND status = 'fulfilling' AND coalesce(jsonb_array_length(parcels), 0) = @parcels_before
        AND customer_id = @customer_id AND total_minor = @total_minor AND currency = @currency
    RETURNING order_id
)
INSERT INTO email_delivery (order_id, kind, status, recipient)
SELECT order_id, @mail_kind, CASE WHEN recipient IS NULL THEN 'suppressed' ELSE 'pending' END, recipient
FROM shipped JOIN email_delivery USING (order_id) WHERE kind = 'confirmation'`

// cancelFulfillment closes a fulfillment as canceled. A customer who was informed that
// the order goes through, or may have been, is informed that it does not: addressed like
// the confirmation, and suppressed without an address. A pending confirmation is
// withdrawn: it becomes suppressed, or unknown if an earlier attempt ended unknown,
// because the customer may have received it already. Repeated, it finds the order closed
// and changes nothing; so it does if a parcel has left. Customer and total must match,
// because another order may have the same id.
const cancelFulfillment = `
WITH closed AS (
    UPDATE order_fulfillment SET status = 'cancelled', reason = @reason, code = @code,
        correlation_id = coalesce(correlation_id, @correlation_id), traceparent = coalesce(traceparent, @traceparent)
    WHERE order_id = @order_id AND status = 'fulfilling' AND parcels IS NULL
        AND customer_id = @customer_id AND total_minor = @total_minor AND currency = @currency
    RETURNING order_id
), confirmation AS (
    SELECT order_id, recipient, status IN ('sending', 'sent', 'unknown') OR unknown_attempts > 0 AS informed
    FROM closed JOIN email_delivery USING (order_id) WHERE kind = 'confirmation'
), withdrawn AS (
    UPDATE email_delivery e SET status = CASE WHEN unknown_attempts > 0 THEN 'unknown' ELSE 'suppressed' END,
        updated_at = clock_timestamp()
    FROM closed WHERE e.order_id = closed.order_id AND e.kind = 'confirmation' AND e.status = 'pending'
)
INSERT INTO email_delivery (order_id, kind, status, recipient)
SELECT order_id, @mail_kind, CASE WHEN recipient IS NULL THEN 'suppressed' ELSE 'pending' END, recipient
FROM confirmation WHERE informed`

// settleKnown adds the outcomes to the ledger that the order's workflow knows and the
// ledger does not have, because a failover lost them. An email that was sent is recorded
// as sent, whatever the ledger says. The other outcomes apply only if the ledger has no
// attempt and no decision for the email: otherwise the ledger is ahead of the workflow.
// Repeated, it finds the outcomes recorded and changes nothing.
const settleKnown = `
UPDATE email_delivery e SET status = known.status,
    unknown_attempts = CASE known.status WHEN 'unknown' THEN greatest(e.unknown_attempts, 2) ELSE e.unknown_attempts END,
    unknown_at = CASE known.status WHEN 'unknown' THEN coalesce(e.unknown_at, clock_timestamp()) ELSE e.unknown_at END,
    error_code = CASE known.status WHEN 'sent' THEN NULL ELSE e.error_code END,
    resolution = CASE known.status WHEN 'sent' THEN 'sent' ELSE e.resolution END,
    resolved_at = CASE known.status WHEN 'sent' THEN clock_timestamp() ELSE e.resolved_at END,
    lease_until = NULL, updated_at = clock_timestamp()
FROM unnest(@known_kinds::text[], @known_statuses::text[]) AS known (kind, status)
WHERE e.order_id = @order_id AND e.kind = known.kind AND (known.status = 'sent' AND e.status <> 'sent'
    OR known.status IN ('failed', 'unknown') AND e.status = 'pending'
        AND e.attempt = 0 AND e.unknown_attempts = 0 AND e.resolution IS NULL)`

// erasePerson blanks what identifies the person who ordered. The revision does not
// change, because none of it is part of the row's content. Repeated, it changes
// nothing.
const erasePerson = `
UPDATE order_fulfillment SET recipient_title = NULL, recipient_name = NULL, recipient_phone = NULL,
    address_country = NULL, address_lines = NULL, erased_at = clock_timestamp()
WHERE order_id = @order_id AND (erased_at IS NULL OR cardinality(address_lines) > 0
    OR num_nonnulls(recipient_title, recipient_name, recipient_phone, address_country) > 0)`

// eraseAddresses blanks the email addresses. Pending emails are withdrawn: suppressed, or
// unknown if an earlier attempt ended unknown. An attempt under way becomes unknown,
// because it can no longer be told apart from one that was lost. Repeated, it finds no
// address and changes nothing.
const eraseAddresses = `
UPDATE email_delivery SET
    recipient = NULL,
    status = CASE status
        WHEN 'pending' THEN CASE WHEN unknown_attempts > 0 THEN 'unknown' ELSE 'suppressed' END
        WHEN 'sending' THEN 'unknown'
        ELSE status
    END,
    unknown_attempts = unknown_attempts + (status = 'sending')::integer,
    unknown_at = CASE status WHEN 'sending' THEN clock_timestamp() ELSE unknown_at END,
    lease_until = NULL,
    updated_at = clock_timestamp()
WHERE order_id = @order_id AND recipient IS NOT NULL`

// selectFulfillment reads an order's row with the status of its newest email, that
// email's kind if it is due, and the kinds of the older emails that are due. An email is
// due if it waits to be sent or its outcome is awaited, or if takeEmail would send it
// once more. It is the last statement of a transaction, and returns the row as it is
// after the others.
const selectFulfillment = `
SELECT f.order_id, f.customer_id, f.status, coalesce(f.reason, ''), coalesce(f.code, ''), f.total_minor, f.currency,
    coalesce(f.carrier, ''), coalesce(f.tracking_number, ''), coalesce(f.parcels, '[]'), CASE f.status WHEN 'fulfilling' THEN ARRAY(
        SELECT l.quantity FROM order_fulfillment_line l WHERE l.order_id = f.order_id ORDER BY l.line_no) END,
    f.ship_by, f.status = 'fulfilling' AND coalesce(f.ship_by <= clock_timestamp(), false), f.source_event_id,
    f.placed_at, f.created_at, f.updated_at, f.revision, coalesce(mail.status, 'none'),
    CASE WHEN mail.due THEN mail.kind ELSE '' END, nullif(ARRAY(
        SELECT e.kind FROM email_delivery e
        WHERE e.order_id = f.order_id AND e.seq < mail.seq AND (e.status IN ('pending', 'sending')
            OR (@resend AND e.status = 'unknown' AND e.unknown_attempts = 1
                AND e.recipient IS NOT NULL AND NOT (e.kind = 'confirmation' AND f.status = 'cancelled')))
        ORDER BY e.seq), '{}')
FROM order_fulfillment f LEFT JOIN LATERAL (
    SELECT e.seq, e.kind, e.status, (e.status IN ('pending', 'sending')
        OR (@resend AND e.status = 'unknown' AND e.unknown_attempts = 1
            AND e.recipient IS NOT NULL AND NOT (e.kind = 'confirmation' AND f.status = 'cancelled'))) AS due
    FROM email_delivery e WHERE e.order_id = f.order_id ORDER BY e.seq DESC LIMIT 1
) mail ON true
WHERE f.order_id = @order_id`
