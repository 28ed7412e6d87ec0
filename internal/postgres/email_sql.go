package postgres

// thisEmail selects the row that a claim or an outcome is about, joined with its order.
const thisEmail = ` e.order_id = @order_id AND e.kind = @kind AND f.order_id = e.order_id `

// expireAttempt marks an attempt whose lease has ended as unknown: its outcome was never
// reported.
const expireAttempt = `
UPDATE email_delivery SET status = 'unknown', unknown_attempts = unknown_attempts + 1, unknown_at = clock_timestamp(),
    lease_until = NULL, updated_at = clock_timestamp()
WHERE order_id = @order_id AND kind = @kind AND status = 'sending' AND lease_until <= clock_timestamp()`

// takeEmail claims an email for the caller: a pending one, or one whose outcome stayed
// unknown through the grace time.
const takeEmail = `
UPDATE email_delivery e SET status = 'sending', attempt = e.attempt + 1, lease_until = clock_timestamp() + @lease::interval,
    updated_at = clock_timestamp()
FROM order_fulfillment f
WHERE ` + thisEmail + ` AND (e.status = 'pending' AND NOT ` + withdrawn + `
    OR ` + resendable + ` AND e.unknown_at + @grace::interval <= clock_timestamp())
RETURNING e.attempt`

// selectEmail reads an email, what the letter says, and how long to wait if another
// caller's lease or the grace time is running.
const selectEmail = `
SELECT e.status, e.attempt,
    CASE -- never zero if there is something to wait for, even if the wait has ended since the previous statement
        WHEN e.status = 'sending' THEN greatest(e.lease_until - clock_timestamp(), '1ms')
        WHEN ` + resendable + ` THEN greatest(e.unknown_at + @grace::interval - clock_timestamp(), '1ms')
        ELSE '0'
    END,
    coalesce(e.recipient, ''), concat_ws(' ', f.recipient_title, f.recipient_name), f.total_minor, f.currency,
    coalesce(f.reason, ''), coalesce(f.carrier, ''), coalesce(f.tracking_number, ''),
    coalesce(f.address_country, ''), coalesce(f.address_lines, '{}'),
    lines.product_names, lines.quantities, lines.unit_prices
FROM email_delivery e, order_fulfillment f, LATERAL (
    SELECT coalesce(array_agg(l.product_name ORDER BY l.line_no), '{}') AS product_names,
        coalesce(array_agg(l.quantity ORDER BY l.line_no), '{}') AS quantities,
        coalesce(array_agg(l.unit_price::text ORDER BY l.line_no), '{}') AS unit_prices
    FROM order_fulfillment_line l WHERE l.order_id = f.order_id
) lines
WHERE ` + thisEmail

// settleSent records a message id whatever the ledger says, because the email has left.
// The first id is kept; further ones show that an attempt given up as unknown was sent
// too.
const settleSent = `
UPDATE email_delivery SET status = 'sent', lease_until = NULL, error_code = NULL,
    message_id = coalesce(message_id, @message_id),
    late_message_ids = CASE WHEN coalesce(message_id, @message_id) = @message_id OR @message_id = ANY (late_message_ids)
        THEN late_message_ids ELSE late_message_ids || @message_id::text END,
    sent_at = coalesce(sent_at, clock_timestamp()), updated_at = clock_timestamp()
WHERE order_id = @order_id AND kind = @kind`

// settleUnsent records any other outcome, and only for the attempt that owns the row: a
// later attempt knows better. An email that may be tried again is withdrawn if its order
// was canceled meanwhile. It then stays unknown if the outcome of an earlier attempt is
// unknown.
const settleUnsent = `
UPDATE email_delivery e SET
    status = CASE WHEN @status::text = 'pending' AND ` + withdrawn + ` THEN ` + withdrawnStatus + ` ELSE @status::text END,
    unknown_attempts = e.unknown_attempts + (@status::text = 'unknown')::integer,
    unknown_at = CASE @status::text WHEN 'unknown' THEN clock_timestamp() ELSE e.unknown_at END,
    error_code = left(regexp_replace(@error_code::text, '[^A-Za-z0-9._-]', '_', 'g'), 64),
    lease_until = NULL, updated_at = clock_timestamp()
FROM order_fulfillment f
WHERE ` + thisEmail + ` AND e.status = 'sending' AND e.attempt = @attempt`

// unsettled implies the condition of the index email_delivery_open; otherwise the planner
// would not use it.
const unsettled = ` e.status IN ('pending', 'sending', 'unknown') `

const countUnsettled = `
SELECT count(*) FILTER (WHERE e.status <> 'unknown'), count(*) FILTER (WHERE e.status = 'unknown')
FROM email_delivery e WHERE ` + unsettled

const selectEmailStatus = `SELECT status FROM email_delivery WHERE order_id = @order_id AND kind = @kind`
