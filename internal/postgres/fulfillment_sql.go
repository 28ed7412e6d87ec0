package postgres

// lockOrder is the first statement of every change to an existing order. The statements
// after it see what the previous holder committed. The lock is the one that an UPDATE
// takes: it still allows inserting rows that refer to the order.
const lockOrder = `SELECT FROM order_fulfillment WHERE order_id = @order_id FOR NO KEY UPDATE`

// insertFulfillment writes an order's row, and its lines and first email only if it wrote
// the row. It waits for another transaction that is inserting the same order.
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

// insertLines and orderLines write the order lines together with a new row.
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

// sameOrder prevents closing a row that belongs to another order with the same id.
const sameOrder = ` customer_id = @customer_id AND total_minor = @total_minor AND currency = @currency `

// closedEmail inserts the email that closing an order causes, addressed like its
// confirmation. Without an address, because the person was erased, it is stored as
// suppressed.
const closedEmail = `
INSERT INTO email_delivery (order_id, kind, status, recipient)
SELECT order_id, @mail_kind, CASE WHEN recipient IS NULL THEN 'suppressed' ELSE 'pending' END, recipient `

// shipFulfillment closes a fulfillment as shipped and queues the email about it.
const shipFulfillment = `
WITH closed AS (
    UPDATE order_fulfillment SET status = 'shipped', carrier = @carrier, tracking_number = @tracking_number
    WHERE order_id = @order_id AND status = 'fulfilling' AND ` + sameOrder + `
    RETURNING order_id
)` + closedEmail + `
FROM closed JOIN email_delivery USING (order_id) WHERE kind = 'confirmation'`

// withdrawnStatus is the status of a pending email that is not to be sent any more. It is
// unknown rather than suppressed if an earlier attempt ended unknown: the customer may
// have received it already.
const withdrawnStatus = `(CASE WHEN unknown_attempts > 0 THEN 'unknown' ELSE 'suppressed' END)`

// cancelFulfillment closes a fulfillment as canceled. A pending confirmation is
// withdrawn. A customer who was informed that the order goes through, or may have been,
// is informed that it does not.
const cancelFulfillment = `
WITH closed AS (
    UPDATE order_fulfillment SET status = 'cancelled', reason = @reason, code = @code
    WHERE order_id = @order_id AND status = 'fulfilling' AND ` + sameOrder + `
    RETURNING order_id
)` + withdrawConfirmation + closedEmail + `
FROM confirmation WHERE informed`

// withdrawConfirmation withdraws the confirmation of the order in the CTE closed. Its
// column informed is true if the customer received the confirmation, or may have.
const withdrawConfirmation = `, confirmation AS (
    SELECT order_id, recipient, status IN ('sending', 'sent', 'unknown') OR unknown_attempts > 0 AS informed
    FROM closed JOIN email_delivery USING (order_id) WHERE kind = 'confirmation'
), withdrawn AS (
    UPDATE email_delivery e SET status = ` + withdrawnStatus + `, updated_at = clock_timestamp()
    FROM closed WHERE e.order_id = closed.order_id AND e.kind = 'confirmation' AND e.status = 'pending'
)`

// settleKnown adds the outcomes to the ledger that the order's workflow knows and the
// ledger does not have, because a failover lost them. An email that was sent is recorded
// as sent, whatever the ledger says. The other outcomes apply only if the ledger has no
// attempt and no decision for the email: otherwise the ledger is ahead of the workflow.
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

// withdrawn and resendable are conditions on an email e of an order f. The confirmation
// of a canceled order is never sent, not even once more. Any other email whose outcome is
// unknown is sent once more if that is the policy.
const (
	withdrawn  = `(e.kind = 'confirmation' AND f.status = 'cancelled')`
	resendable = `(@resend AND e.status = 'unknown' AND e.unknown_attempts = 1
        AND e.recipient IS NOT NULL AND NOT ` + withdrawn + `)`
)

// rowColumns are the columns of an order's own row, in the order in which scanRow reads
// them.
const rowColumns = `
    f.order_id, f.customer_id, f.status, coalesce(f.reason, ''), coalesce(f.code, ''), f.total_minor, f.currency,
    coalesce(f.carrier, ''), coalesce(f.tracking_number, ''), f.source_event_id,
    f.placed_at, f.created_at, f.updated_at, f.revision`

// awaitsOutcome is true for an email e that waits to be sent, or whose outcome is
// awaited.
const awaitsOutcome = `e.status IN ('pending', 'sending')`

// dueColumns returns two columns: the newest email's kind if the condition is true for
// it, and the kinds of the older emails for which it is true. They require
// joinNewestEmail with the same condition.
func dueColumns(condition string) string {
	return ` CASE WHEN mail.due THEN mail.kind ELSE '' END, nullif(ARRAY(
        SELECT e.kind FROM email_delivery e WHERE e.order_id = f.order_id AND e.seq < mail.seq AND (` + condition + `) ORDER BY e.seq), '{}') `
}

// joinNewestEmail joins the newest email of an order f, and whether the condition is true
// for it.
func joinNewestEmail(condition string) string {
	return ` LEFT JOIN LATERAL (
    SELECT e.seq, e.kind, e.status, (` + condition + `) AS due
    FROM email_delivery e WHERE e.order_id = f.order_id ORDER BY e.seq DESC LIMIT 1
) mail ON true `
}

// selectFulfillment reads an order's row with its newest email and the emails that are
// due.
func selectFulfillment() string {
	const due = awaitsOutcome + ` OR ` + resendable
	return `SELECT ` + rowColumns + `, coalesce(mail.status, 'none'),` + dueColumns(due) +
		`FROM order_fulfillment f` + joinNewestEmail(due) + `WHERE f.order_id = @order_id`
}

// erasePerson blanks what identifies the person who ordered. The revision does not
// change, because none of it is part of the row's content.
const erasePerson = `
UPDATE order_fulfillment SET recipient_title = NULL, recipient_name = NULL, recipient_phone = NULL,
    address_country = NULL, address_lines = NULL
WHERE order_id = @order_id`

// eraseAddresses blanks the email addresses. Pending emails are withdrawn. An attempt
// under way becomes unknown, because it can no longer be told apart from one that was
// lost.
const eraseAddresses = `
UPDATE email_delivery SET
    recipient = NULL,
    status = CASE status WHEN 'pending' THEN ` + withdrawnStatus + ` WHEN 'sending' THEN 'unknown' ELSE status END,
    unknown_attempts = unknown_attempts + (status = 'sending')::integer,
    unknown_at = CASE status WHEN 'sending' THEN clock_timestamp() ELSE unknown_at END,
    lease_until = NULL,
    updated_at = clock_timestamp()
WHERE order_id = @order_id AND recipient IS NOT NULL`
