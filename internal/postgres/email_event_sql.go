package postgres

// The statements of the provider's events. An event sends lockOrder, selectReported,
// settleReported and, unless it is Send, recordProgress.

// selectReported reads an email as it was before an event, and what led to its order.
const selectReported = `
SELECT e.status, f.customer_id, f.source_event_id, coalesce(f.correlation_id, ''), coalesce(f.traceparent, '')
FROM email_delivery e, order_fulfillment f WHERE e.order_id = @order_id AND e.kind = @kind AND f.order_id = e.order_id`

// settleReported records that the provider accepted an email, which every event proves. It
// is settleSent for an email whose message id the row does not have. Few emails have more
// than one id: the bound keeps forged events from filling a row.
const settleReported = settleSent + `
    AND (status <> 'sent' OR @message_id <> ALL (late_message_ids || coalesce(message_id, ''))) AND cardinality(late_message_ids) < 100`

// recordProgress records how far an email got, unless a later event has said more. If the
// address takes no more email, and only the first time that this email shows it, the
// address is suppressed: an operator's removal from the list outlives a repeated event. A
// hard bounce also counts after one that was not. An erased address is not known any more.
const recordProgress = `
WITH progressed AS (
    UPDATE email_delivery SET progress = @progress, progress_at = @at, progress_detail = @detail, updated_at = clock_timestamp()
    WHERE order_id = @order_id AND kind = @kind
        AND (coalesce(array_position(@progresses::text[], progress), 0) < array_position(@progresses::text[], @progress::text)
            OR @suppresses::boolean AND progress = @progress::text AND progress_detail IS DISTINCT FROM @detail::text)
    RETURNING order_id, kind, recipient
)
INSERT INTO email_suppression (address_hash, reason, order_id, kind)
SELECT email_address_hash(recipient), @progress::text, order_id, kind FROM progressed WHERE @suppresses::boolean AND recipient IS NOT NULL
ON CONFLICT (address_hash) DO NOTHING`

// stopSuppressed ends an email to an address that is suppressed, before takeEmail
// would take it: it is failed, or stays unknown without being sent once more if an earlier
// attempt may have gone out. Repeated, it finds that and changes nothing.
const stopSuppressed = `
UPDATE email_delivery e SET
    status = CASE WHEN e.unknown_attempts > 0 THEN 'unknown' ELSE 'failed' END,
    unknown_attempts = CASE WHEN e.unknown_attempts > 0 THEN greatest(e.unknown_attempts, 2) ELSE 0 END,
    error_code = @suppressed, updated_at = clock_timestamp()
WHERE e.order_id = @order_id AND e.kind = @kind
    AND (e.status = 'pending' OR e.status = 'unknown' AND e.unknown_attempts = 1)
    AND EXISTS (SELECT FROM email_suppression s WHERE s.address_hash = email_address_hash(e.recipient))`

// selectSuppressions reads the suppressed addresses, the newest first, by the emails that
// showed them.
const selectSuppressions = `
SELECT order_id, kind, reason, since FROM email_suppression ORDER BY since DESC, order_id, kind LIMIT @rows`

// deleteSuppression removes the addresses of an order's emails from the list. It finds
// them by the order's emails, or by the email that showed why, which may be erased.
const deleteSuppression = `
DELETE FROM email_suppression s WHERE s.order_id = @order_id
    OR s.address_hash IN (SELECT email_address_hash(e.recipient) FROM email_delivery e WHERE e.order_id = @order_id)`
