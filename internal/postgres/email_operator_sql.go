package postgres

// leaseExpired is true for an attempt whose lease has ended and that has not been claimed
// since.
const leaseExpired = `(e.status = 'sending' AND e.lease_until <= clock_timestamp())`

// seenStatus is the state of an email as an operator sees it, seenUnknown its number of
// attempts with unknown outcome, and seenSince the time it entered that state. A further
// attempt of a pending email changes the row, but not since when the email is pending.
const (
	seenStatus  = `CASE WHEN ` + leaseExpired + ` THEN 'unknown' ELSE e.status END`
	seenUnknown = `e.unknown_attempts + ` + leaseExpired + `::integer`
	seenSince   = `CASE WHEN ` + leaseExpired + ` THEN e.lease_until
        WHEN e.status = 'unknown' THEN e.unknown_at
        WHEN e.status = 'pending' AND e.resolution = 'resend' THEN e.resolved_at
        WHEN e.status = 'pending' THEN e.created_at
        ELSE e.updated_at END`
)

// selectOpenEmails repeats the condition of the index email_delivery_open; otherwise the
// planner would not use it.
const selectOpenEmails = `
SELECT * FROM (
    SELECT e.order_id, e.kind, ` + seenStatus + ` AS seen, e.attempt, ` + seenUnknown + `, coalesce(e.error_code, ''),
        ` + seenSince + ` AS since
    FROM email_delivery e WHERE e.status IN ('pending', 'sending', 'unknown', 'failed')
) email
WHERE seen = ANY (@statuses) AND (@kind::text IS NULL OR kind = @kind::text)
    AND (@from::timestamptz IS NULL OR since >= @from::timestamptz) AND (@to::timestamptz IS NULL OR since < @to::timestamptz)
ORDER BY since, order_id, kind LIMIT @rows`

// resolveEmail applies an operator's decision. An email that already has the decided
// status stays unchanged, except that a message id that has become known is added.
const resolveEmail = `
UPDATE email_delivery e SET
    status = @to::text,
    error_code = CASE @to::text WHEN 'sent' THEN NULL ELSE e.error_code END,
    message_id = coalesce(e.message_id, @message_id::text),
    late_message_ids = CASE WHEN e.message_id <> @message_id::text THEN e.late_message_ids || @message_id::text
        ELSE e.late_message_ids END,
    resolution = @resolution::text, resolved_at = clock_timestamp(), updated_at = clock_timestamp()
FROM order_fulfillment f
WHERE ` + thisEmail + ` AND e.status = ANY (@from::text[])
    AND (e.status <> @to::text OR @message_id::text <> ALL (e.late_message_ids || coalesce(e.message_id, '')))
    AND (@to::text <> 'pending' OR e.recipient IS NOT NULL AND NOT ` + withdrawn + `)`

const selectResolvable = `
SELECT e.order_id, e.kind, ` + seenStatus + `, e.attempt, ` + seenUnknown + `, coalesce(e.error_code, ''),
    ` + seenSince + `, e.lease_until, e.recipient IS NULL, ` + withdrawn + `
FROM email_delivery e, order_fulfillment f WHERE ` + thisEmail
