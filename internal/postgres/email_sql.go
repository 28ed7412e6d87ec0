package postgres

// The statements of senders. A claim sends lockOrder, expireAttempt, stopSuppressed,
// takeEmail and selectEmail in one transaction; an outcome sends lockOrder, one of the two that settle,
// and selectEmailStatus.

// expireAttempt marks an attempt whose lease has ended as unknown: its outcome was never
// reported. Repeated, it finds the email in another status and changes nothing.
const expireAttempt = `
UPDATE email_delivery SET status = 'unknown', unknown_attempts = unknown_attempts + 1, unknown_at = clock_timestamp(),
    lease_until = NULL, updated_at = clock_timestamp()
WHERE order_id = @order_id AND kind = @kind AND status = 'sending' AND lease_until <= clock_timestamp()`

// takeEmail claims an email for the caller: a pending one or, if that is the policy, one
// whose single unknown outcome stayed unknown through the grace time. The confirmation of
// a canceled order is never sent, not even once more. Repeated, it finds the email being
// sent and returns no row, so a claim whose response was lost has no owner until its
// lease ends.
const takeEmail = `
UPDATE email_delivery e SET status = 'sending', attempt = e.attempt + 1, lease_until = clock_timestamp() + @lease::interval,
    updated_at = clock_timestamp()
FROM order_fulfillment f
WHERE e.order_id = @order_id AND e.kind = @kind AND f.order_id = e.order_id
    AND (e.status = 'pending' AND NOT (e.kind = 'confirmation' AND f.status = 'cancelled')
        OR (@resend AND e.status = 'unknown' AND e.unknown_attempts = 1
            AND e.recipient IS NOT NULL AND NOT (e.kind = 'confirmation' AND f.status = 'cancelled'))
            AND e.unknown_at + @grace::interval <= clock_timestamp())
RETURNING e.attempt`

// selectEmail reads an email, what the letter says, and how long to wait if another
// caller's lease or the grace time of takeEmail is running.
const selectEmail = `
SELECT e.status, e.attempt,
    CASE -- never zero if there is something to wait for, even if the wait has ended since the previous statement
        WHEN e.status = 'sending' THEN greatest(e.lease_until - clock_timestamp(), '1ms')
        WHEN (@resend AND e.status = 'unknown' AND e.unknown_attempts = 1
            AND e.recipient IS NOT NULL AND NOT (e.kind = 'confirmation' AND f.status = 'cancelled'))
            THEN greatest(e.unknown_at + @grace::interval - clock_timestamp(), '1ms')
        ELSE '0'
    END,
    coalesce(e.recipient, ''), concat_ws(' ', f.recipient_title, f.recipient_name), f.total_minor, f.currency,
    coalesce(f.reason, ''), coalesce(f.carrier, ''), coalesce(f.tracking_number, ''), coalesce(f.parcels, '[]'), f.status = 'shipped',
    coalesce(f.address_country, ''), coalesce(f.address_lines, '{}'),
    lines.product_names, lines.quantities, lines.unit_prices, coalesce(f.language, '')
FROM email_delivery e, order_fulfillment f, LATERAL (
    SELECT coalesce(array_agg(l.product_name ORDER BY l.line_no), '{}') AS product_names,
        coalesce(array_agg(l.quantity ORDER BY l.line_no), '{}') AS quantities,
        coalesce(array_agg(l.unit_price::text ORDER BY l.line_no), '{}') AS unit_prices
    FROM order_fulfillment_line l WHERE l.order_id = f.order_id
) lines
WHERE e.order_id = @order_id AND e.kind = @kind AND f.order_id = e.order_id`

// settleSent records a message id whatever the ledger says, because the email has left.
// The first id is kept; further ones show that an attempt given up as unknown was sent
// too. Repeated, it finds the id recorded and adds nothing.
const settleSent = `
UPDATE email_delivery SET status = 'sent', lease_until = NULL, error_code = NULL,
    message_id = coalesce(message_id, @message_id),
    late_message_ids = CASE WHEN coalesce(message_id, @message_id) = @message_id OR @message_id = ANY (late_message_ids)
        THEN late_message_ids ELSE late_message_ids || @message_id::text END,
    sent_at = coalesce(sent_at, clock_timestamp()), updated_at = clock_timestamp()
WHERE order_id = @order_id AND kind = @kind`

// settleUnsent records any other outcome, and only for the attempt that owns the row: a
// later attempt knows better. An email that may be tried again is withdrawn if its order
// was canceled meanwhile: it becomes suppressed, or unknown if the outcome of an earlier
// attempt is unknown. Repeated, it finds the attempt settled and changes nothing.
const settleUnsent = `
UPDATE email_delivery e SET
    status = CASE WHEN @status::text = 'pending' AND (e.kind = 'confirmation' AND f.status = 'cancelled')
        THEN CASE WHEN unknown_attempts > 0 THEN 'unknown' ELSE 'suppressed' END ELSE @status::text END,
    unknown_attempts = e.unknown_attempts + (@status::text = 'unknown')::integer,
    unknown_at = CASE @status::text WHEN 'unknown' THEN clock_timestamp() ELSE e.unknown_at END,
    error_code = left(regexp_replace(@error_code::text, '[^A-Za-z0-9._-]', '_', 'g'), 64),
    lease_until = NULL, updated_at = clock_timestamp()
FROM order_fulfillment f
WHERE e.order_id = @order_id AND e.kind = @kind AND f.order_id = e.order_id AND e.status = 'sending' AND e.attempt = @attempt`

// selectEmailStatus reads the status that an outcome left behind.
const selectEmailStatus = `SELECT status FROM email_delivery WHERE order_id = @order_id AND kind = @kind`
