package postgres

// thisMail is the one row a claim or an outcome is about, with its order.
const thisMail = ` e.order_id = @order_id AND e.kind = @kind AND f.order_id = e.order_id `

// expireAttempt finds an attempt whose lease has ended: nobody knows what became of it.
const expireAttempt = `
UPDATE email_delivery SET status = 'unknown', unknown_attempts = unknown_attempts + 1, unknown_at = clock_timestamp(),
    lease_until = NULL, updated_at = clock_timestamp()
WHERE order_id = @order_id AND kind = @kind AND status = 'sending' AND lease_until <= clock_timestamp()`

// takeMail makes a mail the caller's to send: one that waits, or one whose outcome stayed unknown through the grace time.
const takeMail = `
UPDATE email_delivery e SET status = 'sending', attempt = e.attempt + 1, lease_until = clock_timestamp() + @lease::interval,
    updated_at = clock_timestamp()
FROM order_fulfillment f
WHERE ` + thisMail + ` AND (e.status = 'pending' AND NOT ` + withdrawn + `
    OR ` + resendable + ` AND e.unknown_at + @grace::interval <= clock_timestamp())
RETURNING e.attempt`

// selectMail reads a mail, how long to wait where somebody else's lease or the grace time is running, and what the letter
// says.
const selectMail = `
SELECT e.status, e.attempt,
    CASE -- never zero where there is something to wait for, though that may have ended since the statement before
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
WHERE ` + thisMail

// settleSent records a message id whatever the ledger says: the mail is out. The first id stays, further ones show that
// an attempt given up as unknown had gone out too.
const settleSent = `
UPDATE email_delivery SET status = 'sent', lease_until = NULL, error_code = NULL,
    message_id = coalesce(message_id, @message_id),
    late_message_ids = CASE WHEN coalesce(message_id, @message_id) = @message_id OR @message_id = ANY (late_message_ids)
        THEN late_message_ids ELSE late_message_ids || @message_id::text END,
    sent_at = coalesce(sent_at, clock_timestamp()), updated_at = clock_timestamp()
WHERE order_id = @order_id AND kind = @kind`

// settleUnsent records any other outcome, and only for the attempt that owns the row: a later one knows better. A mail
// that may be tried again is taken back when its order was cancelled meanwhile, and stays unknown where an earlier
// attempt is.
const settleUnsent = `
UPDATE email_delivery e SET
    status = CASE WHEN @status::text = 'pending' AND ` + withdrawn + ` THEN ` + takenBack + ` ELSE @status::text END,
    unknown_attempts = e.unknown_attempts + (@status::text = 'unknown')::integer,
    unknown_at = CASE @status::text WHEN 'unknown' THEN clock_timestamp() ELSE e.unknown_at END,
    error_code = left(regexp_replace(@error_code::text, '[^A-Za-z0-9._-]', '_', 'g'), 64),
    lease_until = NULL, updated_at = clock_timestamp()
FROM order_fulfillment f
WHERE ` + thisMail + ` AND e.status = 'sending' AND e.attempt = @attempt`

// unsettled implies the condition of the index email_delivery_open, or it would not be used.
const unsettled = ` e.status IN ('pending', 'sending', 'unknown') `

const countUnsettled = `
SELECT count(*) FILTER (WHERE e.status <> 'unknown'), count(*) FILTER (WHERE e.status = 'unknown')
FROM email_delivery e WHERE ` + unsettled

const selectMailStatus = `SELECT status FROM email_delivery WHERE order_id = @order_id AND kind = @kind`
