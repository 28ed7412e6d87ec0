package postgres

// lockOrder is the first statement of whatever touches an order that exists. The statements after it see what the
// previous holder committed. The lock is the one an UPDATE takes: it lets rows that refer to the order be inserted.
const lockOrder = `SELECT FROM order_fulfillment WHERE order_id = @order_id FOR NO KEY UPDATE`

// insertFulfillment writes an order's row, and only together with it the lines and the first mail. It waits for another
// transaction that is inserting the same order.
const insertFulfillment = `
WITH inserted AS (
    INSERT INTO order_fulfillment (order_id, customer_id, status, reason, code, total_minor, currency, shipping_method,
        recipient_title, recipient_name, recipient_phone, address_country, address_lines, source_event_id, placed_at)
    VALUES (@order_id, @customer_id, @status, @reason, @code, @total_minor, @currency, @shipping_method,
        @recipient_title, @recipient_name, @recipient_phone, @address_country, @address_lines, @source_event_id, @placed_at)
    ON CONFLICT (order_id) DO NOTHING
    RETURNING order_id
), lines AS (` + insertLines + `
    FROM inserted, ` + orderLines + `
)
INSERT INTO email_delivery (order_id, kind, status, recipient)
SELECT order_id, @mail_kind, 'pending', @mail_recipient::text FROM inserted WHERE @mail_recipient::text IS NOT NULL`

// insertLines and orderLines write what was ordered beside a new row.
const (
	insertLines = `
    INSERT INTO order_fulfillment_line
        (order_id, line_no, product_id, product_name, quantity, unit_price, tax_rate, total_minor)
    SELECT @order_id, l.line_no, l.product_id, l.product_name, l.quantity,
        l.unit_price::numeric, l.tax_rate::numeric, l.total_minor`
	orderLines = `unnest(@line_no::integer[], @product_id::text[], @product_name::text[], @quantity::integer[],
            @unit_price::text[], @tax_rate::text[], @line_total_minor::bigint[])
        AS l (line_no, product_id, product_name, quantity, unit_price, tax_rate, total_minor)`
)

// sameOrder keeps a row of another order with the same id from being closed.
const sameOrder = ` customer_id = @customer_id AND total_minor = @total_minor AND currency = @currency `

// closedMail is a mail that closing an order causes, to the address of its confirmation. Without an address, because the
// person was erased, it is kept as not to be sent.
const closedMail = `
INSERT INTO email_delivery (order_id, kind, status, recipient)
SELECT order_id, @mail_kind, CASE WHEN recipient IS NULL THEN 'suppressed' ELSE 'pending' END, recipient `

// shipFulfillment closes a fulfilment as shipped and queues the mail that says so.
const shipFulfillment = `
WITH closed AS (
    UPDATE order_fulfillment SET status = 'shipped', carrier = @carrier, tracking_number = @tracking_number
    WHERE order_id = @order_id AND status = 'fulfilling' AND ` + sameOrder + `
    RETURNING order_id
)` + closedMail + `
FROM closed JOIN email_delivery USING (order_id) WHERE kind = 'confirmation'`

// takenBack is what becomes of a pending mail that is not to be sent any more: the customer may hold it already when an
// earlier attempt ended unknown.
const takenBack = `(CASE WHEN unknown_attempts > 0 THEN 'unknown' ELSE 'suppressed' END)`

// cancelFulfillment closes a fulfilment as cancelled. A confirmation that waits is taken back; a customer who
// was told that the order goes through, or may have been, is told that it does not.
const cancelFulfillment = `
WITH closed AS (
    UPDATE order_fulfillment SET status = 'cancelled', reason = @reason, code = @code
    WHERE order_id = @order_id AND status = 'fulfilling' AND ` + sameOrder + `
    RETURNING order_id
)` + withdrawConfirmation + closedMail + `
FROM confirmation WHERE told`

// withdrawConfirmation takes back the confirmation of an order of the CTE closed, and tells whether the customer was told,
// or may have been.
const withdrawConfirmation = `, confirmation AS (
    SELECT order_id, recipient, status IN ('sending', 'sent', 'unknown') OR unknown_attempts > 0 AS told
    FROM closed JOIN email_delivery USING (order_id) WHERE kind = 'confirmation'
), withdrawn AS (
    UPDATE email_delivery e SET status = ` + takenBack + `, updated_at = clock_timestamp()
    FROM closed WHERE e.order_id = closed.order_id AND e.kind = 'confirmation' AND e.status = 'pending'
)`

// settleKnown gives the ledger the outcomes that the order's workflow knows and that it does not have: a failover lost
// them. One that was sent is out, whatever the ledger says. The others are for an email of which the ledger knows no attempt
// and no decision: one that it knows more of is ahead of the workflow.
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

// withdrawn and resendable are about a mail e of an order f: a confirmation of a cancelled order never goes out, not even
// once more; another mail whose outcome is unknown goes out once more where that is the policy.
const (
	withdrawn  = `(e.kind = 'confirmation' AND f.status = 'cancelled')`
	resendable = `(@resend AND e.status = 'unknown' AND e.unknown_attempts = 1
        AND e.recipient IS NOT NULL AND NOT ` + withdrawn + `)`
)

// rowColumns are an order's own, as scanRow takes them.
const rowColumns = `
    f.order_id, f.customer_id, f.status, coalesce(f.reason, ''), coalesce(f.code, ''), f.total_minor, f.currency,
    coalesce(f.carrier, ''), coalesce(f.tracking_number, ''), f.source_event_id,
    f.placed_at, f.created_at, f.updated_at, f.revision`

// inTheAir is true of a mail e that waits to be sent, or whose outcome is awaited.
const inTheAir = `e.status IN ('pending', 'sending')`

// dueColumns are the newest mail's kind when something is true of it, and those of older mails of which it is true. They need
// what joinNewestMail joins.
func dueColumns(of string) string {
	return ` CASE WHEN mail.due THEN mail.kind ELSE '' END, nullif(ARRAY(
        SELECT e.kind FROM email_delivery e WHERE e.order_id = f.order_id AND e.seq < mail.seq AND (` + of + `) ORDER BY e.seq), '{}') `
}

// joinNewestMail adds the newest mail of an order f, and whether something is true of it.
func joinNewestMail(of string) string {
	return ` LEFT JOIN LATERAL (
    SELECT e.seq, e.kind, e.status, (` + of + `) AS due
    FROM email_delivery e WHERE e.order_id = f.order_id ORDER BY e.seq DESC LIMIT 1
) mail ON true `
}

// selectFulfillment reads an order's row with its newest mail, and which mails are due.
func selectFulfillment() string {
	const due = inTheAir + ` OR ` + resendable
	return `SELECT ` + rowColumns + `, coalesce(mail.status, 'none'),` + dueColumns(due) +
		`FROM order_fulfillment f` + joinNewestMail(due) + `WHERE f.order_id = @order_id`
}

// erasePerson blanks what tells who ordered; no revision rises, for none of it is content of the row.
const erasePerson = `
UPDATE order_fulfillment SET recipient_title = NULL, recipient_name = NULL, recipient_phone = NULL,
    address_country = NULL, address_lines = NULL
WHERE order_id = @order_id`

// eraseAddresses blanks the mail addresses. What waits is taken back, and an attempt under way can no longer
// be told apart from one that was lost.
const eraseAddresses = `
UPDATE email_delivery SET
    recipient = NULL,
    status = CASE status WHEN 'pending' THEN ` + takenBack + ` WHEN 'sending' THEN 'unknown' ELSE status END,
    unknown_attempts = unknown_attempts + (status = 'sending')::integer,
    unknown_at = CASE status WHEN 'sending' THEN clock_timestamp() ELSE unknown_at END,
    lease_until = NULL,
    updated_at = clock_timestamp()
WHERE order_id = @order_id AND recipient IS NOT NULL`
