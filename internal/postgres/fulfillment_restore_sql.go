package postgres

// The statements that bring back a lost row, one version after another. A lost email is
// addressed as the order says or, without the order, like the confirmation; without an
// address it is suppressed instead of pending. An email that the ledger still has stays
// unchanged.

// restoreFirst inserts a row that is missing, its lines and its first email. Repeated, or
// if there is a row, it writes nothing.
const restoreFirst = `
WITH closed AS (
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
    FROM closed, unnest(@line_no::integer[], @product_id::text[], @product_name::text[], @quantity::integer[],
            @unit_price::text[], @tax_rate::text[], @line_total_minor::bigint[])
        AS l (line_no, product_id, product_name, quantity, unit_price, tax_rate, total_minor)
    ON CONFLICT (order_id, line_no) DO NOTHING
)
INSERT INTO email_delivery (order_id, kind, status, recipient, unknown_attempts, unknown_at, resolution, resolved_at)
SELECT order_id, @mail_kind,
    CASE WHEN recipient IS NULL AND @mail_status::text = 'pending' THEN 'suppressed' ELSE @mail_status::text END,
    recipient, @unknown_attempts, CASE WHEN @unknown_attempts::integer > 0 THEN clock_timestamp() END,
    CASE WHEN @mail_status::text = 'sent' THEN 'sent' END, CASE WHEN @mail_status::text = 'sent' THEN clock_timestamp() END
FROM (
    SELECT order_id, coalesce(@mail_recipient::text,
        (SELECT recipient FROM email_delivery c WHERE c.order_id = closed.order_id AND c.kind = 'confirmation')) AS recipient
    FROM closed WHERE @mail_kind::text <> ''
) due
ON CONFLICT (order_id, kind) DO NOTHING`

// restoreNext brings a row to its next version, with the email that belongs to it.
// Repeated, it finds the row at another revision and changes nothing. Customer and total
// must match, because another order may have the same id.
const restoreNext = `
WITH closed AS (
    UPDATE order_fulfillment SET status = @status, reason = @reason, code = @code, shipping_method = @shipping_method,
        carrier = @carrier, tracking_number = @tracking_number, parcels = @parcels::jsonb, source_event_id = @source_event_id, placed_at = @placed_at,
        correlation_id = coalesce(correlation_id, @correlation_id), traceparent = coalesce(traceparent, @traceparent)
    WHERE order_id = @order_id AND revision = @revision - 1 AND status = 'fulfilling'
        AND customer_id = @customer_id AND total_minor = @total_minor AND currency = @currency
    RETURNING order_id
)
INSERT INTO email_delivery (order_id, kind, status, recipient, unknown_attempts, unknown_at, resolution, resolved_at)
SELECT order_id, @mail_kind,
    CASE WHEN recipient IS NULL AND @mail_status::text = 'pending' THEN 'suppressed' ELSE @mail_status::text END,
    recipient, @unknown_attempts, CASE WHEN @unknown_attempts::integer > 0 THEN clock_timestamp() END,
    CASE WHEN @mail_status::text = 'sent' THEN 'sent' END, CASE WHEN @mail_status::text = 'sent' THEN clock_timestamp() END
FROM (
    SELECT order_id, coalesce(@mail_recipient::text,
        (SELECT recipient FROM email_delivery c WHERE c.order_id = closed.order_id AND c.kind = 'confirmation')) AS recipient
    FROM closed WHERE @mail_kind::text <> ''
) due
ON CONFLICT (order_id, kind) DO NOTHING`

// restoreCancellation is restoreNext for a canceled order. As in cancelFulfillment, a
// pending confirmation is withdrawn, and only a customer who was informed that the order
// goes through, or may have been, is informed that it does not.
const restoreCancellation = `
WITH closed AS (
    UPDATE order_fulfillment SET status = @status, reason = @reason, code = @code, shipping_method = @shipping_method,
        carrier = @carrier, tracking_number = @tracking_number, source_event_id = @source_event_id, placed_at = @placed_at,
        correlation_id = coalesce(correlation_id, @correlation_id), traceparent = coalesce(traceparent, @traceparent)
    WHERE order_id = @order_id AND revision = @revision - 1 AND status = 'fulfilling'
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
INSERT INTO email_delivery (order_id, kind, status, recipient, unknown_attempts, unknown_at, resolution, resolved_at)
SELECT order_id, @mail_kind,
    CASE WHEN recipient IS NULL AND @mail_status::text = 'pending' THEN 'suppressed' ELSE @mail_status::text END,
    recipient, @unknown_attempts, CASE WHEN @unknown_attempts::integer > 0 THEN clock_timestamp() END,
    CASE WHEN @mail_status::text = 'sent' THEN 'sent' END, CASE WHEN @mail_status::text = 'sent' THEN clock_timestamp() END
FROM (
    SELECT order_id, coalesce(@mail_recipient::text,
        (SELECT recipient FROM email_delivery c WHERE c.order_id = closed.order_id AND c.kind = 'confirmation')) AS recipient
    FROM closed WHERE @mail_kind::text <> ''
) due
WHERE (SELECT informed FROM confirmation)
ON CONFLICT (order_id, kind) DO NOTHING`
