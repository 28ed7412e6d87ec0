package postgres

// lost is an attempt whose lease has ended and that nobody has asked about since.
const lost = `(e.status = 'sending' AND e.lease_until <= clock_timestamp())`

// selectOpenMails repeats the condition of the index email_delivery_open, or it would not be used.
const selectOpenMails = `
SELECT * FROM (
    SELECT e.order_id, e.kind, CASE WHEN ` + lost + ` THEN 'unknown' ELSE e.status END AS seen, e.attempt,
        e.unknown_attempts + ` + lost + `::integer, coalesce(e.error_code, ''),
        CASE WHEN ` + lost + ` THEN e.lease_until WHEN e.status = 'unknown' THEN e.unknown_at ELSE e.updated_at END AS since
    FROM email_delivery e WHERE e.status IN ('pending', 'sending', 'unknown', 'failed')
) mail
WHERE seen = ANY (@statuses) ORDER BY since, order_id, kind LIMIT @rows`

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
SELECT e.order_id, e.kind, e.status, e.attempt, e.unknown_attempts, coalesce(e.error_code, ''),
    CASE e.status WHEN 'unknown' THEN e.unknown_at ELSE e.updated_at END, e.lease_until, e.recipient IS NULL, ` + withdrawn + `
FROM email_delivery e, order_fulfillment f WHERE ` + thisMail
