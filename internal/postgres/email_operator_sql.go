package postgres

// lost is an attempt whose lease has ended and that nobody has asked about since.
const lost = `(e.status = 'sending' AND e.lease_until <= clock_timestamp())`

// seenStatus is the state of an email as an operator sees it, seenUnknown its attempts of unknown outcome, and seenSince
// when it came into that state. Each further attempt of a pending one changes the row and not since when it is pending.
const (
	seenStatus  = `CASE WHEN ` + lost + ` THEN 'unknown' ELSE e.status END`
	seenUnknown = `e.unknown_attempts + ` + lost + `::integer`
	seenSince   = `CASE WHEN ` + lost + ` THEN e.lease_until
        WHEN e.status = 'unknown' THEN e.unknown_at
        WHEN e.status = 'pending' AND e.resolution = 'resend' THEN e.resolved_at
        WHEN e.status = 'pending' THEN e.created_at
        ELSE e.updated_at END`
)

// selectOpenMails repeats the condition of the index email_delivery_open, or it would not be used.
const selectOpenMails = `
SELECT * FROM (
    SELECT e.order_id, e.kind, ` + seenStatus + ` AS seen, e.attempt, ` + seenUnknown + `, coalesce(e.error_code, ''),
        ` + seenSince + ` AS since
    FROM email_delivery e WHERE e.status IN ('pending', 'sending', 'unknown', 'failed')
) mail
WHERE seen = ANY (@statuses) AND (@kind::text IS NULL OR kind = @kind::text)
    AND (@from::timestamptz IS NULL OR since >= @from::timestamptz) AND (@to::timestamptz IS NULL OR since < @to::timestamptz)
ORDER BY since, order_id, kind LIMIT @rows`

// resolveMail changes what an operator may change. A mail that is there already stays as it is, but takes a message id that
// has become known.
const resolveMail = `
UPDATE email_delivery e SET
    status = @to::text,
    error_code = CASE @to::text WHEN 'sent' THEN NULL ELSE e.error_code END,
    message_id = coalesce(e.message_id, @message_id::text),
    late_message_ids = CASE WHEN e.message_id <> @message_id::text THEN e.late_message_ids || @message_id::text
        ELSE e.late_message_ids END,
    resolution = @resolution::text, resolved_at = clock_timestamp(), updated_at = clock_timestamp()
FROM order_fulfillment f
WHERE ` + thisMail + ` AND e.status = ANY (@from::text[])
    AND (e.status <> @to::text OR @message_id::text <> ALL (e.late_message_ids || coalesce(e.message_id, '')))
    AND (@to::text <> 'pending' OR e.recipient IS NOT NULL AND NOT ` + withdrawn + `)`

const selectResolvable = `
SELECT e.order_id, e.kind, ` + seenStatus + `, e.attempt, ` + seenUnknown + `, coalesce(e.error_code, ''),
    ` + seenSince + `, e.lease_until, e.recipient IS NULL, ` + withdrawn + `
FROM email_delivery e, order_fulfillment f WHERE ` + thisMail
