package postgres

// The statements of operators. To them an attempt whose lease has ended, and that has not
// been claimed since, is unknown already: status, count of unknown attempts and time are
// those that expireAttempt would write. The time is when the email entered its status. A
// further attempt of a pending email changes the row, but not since when the email is
// pending.

// countUnsettled counts the emails that wait or are being sent, and those with an unknown
// outcome. Its condition implies that of the index email_delivery_open; otherwise the
// planner would not use it.
const countUnsettled = `
SELECT count(*) FILTER (WHERE e.status <> 'unknown'), count(*) FILTER (WHERE e.status = 'unknown')
FROM email_delivery e WHERE e.status IN ('pending', 'sending', 'unknown')`

// selectOpenEmails reads the emails that are not settled and match a filter. It repeats
// the condition of the index email_delivery_open; otherwise the planner would not use it.
const selectOpenEmails = `
SELECT * FROM (
    SELECT e.order_id, e.kind,
        CASE WHEN (e.status = 'sending' AND e.lease_until <= clock_timestamp()) THEN 'unknown' ELSE e.status END AS seen,
        e.attempt,
        e.unknown_attempts + (e.status = 'sending' AND e.lease_until <= clock_timestamp())::integer,
        coalesce(e.error_code, ''),
        CASE WHEN (e.status = 'sending' AND e.lease_until <= clock_timestamp()) THEN e.lease_until
            WHEN e.status = 'unknown' THEN e.unknown_at
            WHEN e.status = 'pending' AND e.resolution = 'resend' THEN e.resolved_at
            WHEN e.status = 'pending' THEN e.created_at
            ELSE e.updated_at END AS since
    FROM email_delivery e WHERE e.status IN ('pending', 'sending', 'unknown', 'failed')
) email
WHERE seen = ANY (@statuses) AND (@kind::text IS NULL OR kind = @kind::text)
    AND (@from::timestamptz IS NULL OR since >= @from::timestamptz) AND (@to::timestamptz IS NULL OR since < @to::timestamptz)
ORDER BY since, order_id, kind LIMIT @rows`

// resolveEmail applies an operator's decision. It sends nothing again that has no address
// or is the confirmation of a canceled order. An email that already has the decided
// status stays unchanged, so the decision may be repeated, except that a message id that
// has become known is added.
const resolveEmail = `
UPDATE email_delivery e SET
    status = @to::text,
    error_code = CASE @to::text WHEN 'sent' THEN NULL ELSE e.error_code END,
    message_id = coalesce(e.message_id, @message_id::text),
    late_message_ids = CASE WHEN e.message_id <> @message_id::text THEN e.late_message_ids || @message_id::text
        ELSE e.late_message_ids END,
    resolution = @resolution::text, resolved_at = clock_timestamp(), updated_at = clock_timestamp()
FROM order_fulfillment f
WHERE e.order_id = @order_id AND e.kind = @kind AND f.order_id = e.order_id AND e.status = ANY (@from::text[])
    AND (e.status <> @to::text OR @message_id::text <> ALL (e.late_message_ids || coalesce(e.message_id, '')))
    AND (@to::text <> 'pending' OR e.recipient IS NOT NULL AND NOT (e.kind = 'confirmation' AND f.status = 'cancelled'))`

// selectResolvable reads an email with what may keep it from being sent again: a lease, a
// missing address, and whether it is the confirmation of a canceled order.
const selectResolvable = `
SELECT e.order_id, e.kind,
    CASE WHEN (e.status = 'sending' AND e.lease_until <= clock_timestamp()) THEN 'unknown' ELSE e.status END,
    e.attempt,
    e.unknown_attempts + (e.status = 'sending' AND e.lease_until <= clock_timestamp())::integer,
    coalesce(e.error_code, ''),
    CASE WHEN (e.status = 'sending' AND e.lease_until <= clock_timestamp()) THEN e.lease_until
        WHEN e.status = 'unknown' THEN e.unknown_at
        WHEN e.status = 'pending' AND e.resolution = 'resend' THEN e.resolved_at
        WHEN e.status = 'pending' THEN e.created_at
        ELSE e.updated_at END,
    e.lease_until, e.recipient IS NULL, (e.kind = 'confirmation' AND f.status = 'cancelled')
FROM email_delivery e, order_fulfillment f WHERE e.order_id = @order_id AND e.kind = @kind AND f.order_id = e.order_id`
