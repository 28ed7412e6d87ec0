package collect

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"

	"orderflow/dev/checker/internal/facts"
	"orderflow/internal/order"
)

func (r *reader) orderEvent(e *kurrentdb.RecordedEvent) {
	o := r.facts.Order(e.StreamID)
	switch e.EventType {
	case order.TypePlaced, order.TypePlacedAlias:
		r.markers.AddOrder(e.Data)
		o.Placed = append(o.Placed, placed(e))
	case order.TypePaid:
		paid, err := order.DecodePaid(e.StreamID, e.ContentType, e.Data)
		o.Payments = append(o.Payments, facts.Payment{
			Revision: e.EventNumber, EventID: e.EventID.String(), Fault: fault(err), PaymentID: paid.PaymentID, Amount: paid.Amount,
		})
	case order.TypeCancellationRequested:
		_, err := order.DecodeCancellation(e.StreamID, e.ContentType, e.Data)
		o.Cancellations = append(o.Cancellations, facts.Cancellation{
			Revision: e.EventNumber, EventID: e.EventID.String(), Fault: fault(err),
		})
	case order.TypeShipmentRecorded:
		err := messageFault(e.StreamID, e, "carrier", "trackingNumber")
		o.Instructions = append(o.Instructions, facts.Instruction{
			Type: e.EventType, Revision: e.EventNumber, EventID: e.EventID.String(), Fault: fault(err),
			Partial: bytes.Contains(e.Data, []byte(`"lines"`)),
		})
	case "$streamDeleted":
		o.Deleted = true
	}
}

// decisionEvent records a decision about an order's credit. Other events on its stream have
// no meaning.
func (r *reader) decisionEvent(e *kurrentdb.RecordedEvent) {
	id, ok := order.OrderDecided(e.StreamID)
	if !ok || e.EventType != order.TypeCreditApproved && e.EventType != order.TypeCreditDeclined {
		return
	}
	err := messageFault(id, e, "by") // both have the same fields
	o := r.facts.Order(id)
	o.Instructions = append(o.Instructions, facts.Instruction{
		Type: e.EventType, Decision: true, Revision: e.EventNumber, EventID: e.EventID.String(), Fault: fault(err),
	})
}

// messageFault returns why an event carries no message for an order: it is about another one,
// or lacks a text.
func messageFault(orderID string, e *kurrentdb.RecordedEvent, texts ...string) error {
	body, err := order.CutOrderID(orderID, e.ContentType, e.Data)
	if err != nil {
		return err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return err
	}
	for _, name := range texts {
		var text string
		if json.Unmarshal(fields[name], &text) != nil || text == "" {
			return fmt.Errorf("%s: must be a text", name)
		}
	}
	return nil
}

func placed(e *kurrentdb.RecordedEvent) facts.Placed {
	p := facts.Placed{Revision: e.EventNumber, EventID: e.EventID.String(), At: e.CreatedDate}
	decoded, err := order.DecodePlaced(e.StreamID, e.ContentType, e.Data)
	if err != nil {
		p.Fault = err.Error()
		return p
	}
	p.CustomerID, p.Total, p.PlacedAt, p.Email = decoded.CustomerID, decoded.Total, decoded.PlacedAt, decoded.Email
	var lines facts.LineDigest
	for _, l := range decoded.Lines {
		lines.Add(l.No, l.ProductID, l.ProductName, l.Quantity, l.UnitPrice, l.TaxRate, l.Total.Minor)
	}
	p.Lines = lines.Lines()
	return p
}

func fault(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// orderMetadata records that a stream was deleted or truncated.
func (r *reader) orderMetadata(e *kurrentdb.RecordedEvent) {
	if truncatedBefore(e.Data) > 0 {
		r.facts.Order(strings.TrimPrefix(e.StreamID, "$$")).Deleted = true
	}
}

// parkedPrefix is what the server puts before the reason that a consumer gave.
const parkedPrefix = "Client explicitly NAK'ed message.\n"

func (r *reader) parkedEvent(e *kurrentdb.RecordedEvent) {
	stream, revision, ok := linkTarget(e.Data)
	id, decision := order.OrderDecided(stream)
	if !decision {
		id = stream
	}
	if !ok || !strings.HasPrefix(id, orderPrefix) {
		return
	}
	r.scan(e.UserMetadata, "parked stream", stream, fmt.Sprintf("entry %d", e.EventNumber))
	var note struct {
		Added  time.Time `json:"added"`
		Reason string    `json:"reason"`
	}
	_ = json.Unmarshal(e.UserMetadata, &note) // an entry without a note has no reason, which an invariant checks
	if note.Added.IsZero() {
		note.Added = e.CreatedDate
	}
	o := r.facts.Order(id)
	list := &o.Parked
	if decision {
		list = &o.ParkedOther
	}
	*list = append(*list, facts.Parked{
		Revision: revision, At: note.Added, Reason: strings.TrimSpace(strings.TrimPrefix(note.Reason, parkedPrefix)),
	})
}

// creditBody is the union of all credit events' bodies.
type creditBody struct {
	CustomerID string      `json:"customerId"`
	OrderID    string      `json:"orderId"`
	Amount     order.Money `json:"amount"`
	Limit      order.Money `json:"limit"`
	Available  order.Money `json:"available"`
	Held       bool        `json:"held"`
	HoldUntil  time.Time   `json:"holdUntil"`
	ApprovedBy string      `json:"approvedBy"`
	FreedBy    string      `json:"freedBy"`
	Reason     string      `json:"reason"`
	Paid       order.Money `json:"paid"`
	Overpaid   order.Money `json:"overpaid"`
}

func (r *reader) creditEvent(e *kurrentdb.RecordedEvent) {
	customerID := strings.TrimPrefix(e.StreamID, creditPrefix)
	sum := sha256.Sum256(e.Data)
	entry := facts.CreditEvent{
		CustomerID: customerID, Revision: e.EventNumber, EventID: e.EventID.String(), Type: e.EventType,
		DataHash: hex.EncodeToString(sum[:]), Causation: causation(e.UserMetadata),
	}
	var body creditBody
	switch err := json.Unmarshal(e.Data, &body); {
	case err != nil:
		entry.Fault = "the body cannot be read"
	case !creditTypes[e.EventType]:
		entry.Fault = "the type is unknown: " + e.EventType
	default:
		entry.Named, entry.OrderID, entry.Amount, entry.Limit = body.CustomerID, body.OrderID, body.Amount, body.Limit
		entry.Available, entry.Held, entry.ApprovedBy, entry.Reason = body.Available, body.Held, body.ApprovedBy, body.Reason
		entry.Paid, entry.Overpaid = body.Paid, body.Overpaid
		entry.At, entry.HoldUntil, entry.FreedBy = e.CreatedDate, body.HoldUntil, body.FreedBy
	}
	for _, data := range [][]byte{e.Data, e.UserMetadata} {
		r.scan(data, "credit stream", entry.OrderID, fmt.Sprintf("event %d of %s", e.EventNumber, e.StreamID))
	}
	account := r.facts.Account(customerID)
	account.Events = append(account.Events, entry)
	if entry.OrderID != "" {
		o := r.facts.Order(entry.OrderID)
		o.Credit = append(o.Credit, entry)
	}
}

var creditTypes = map[string]bool{
	facts.CreditOpened: true, facts.CreditLimit: true, facts.CreditReserved: true,
	facts.CreditExceeded: true, facts.CreditReleased: true,
}

func causation(metadata []byte) string {
	var m struct {
		CausationID string `json:"$causationId"`
	}
	_ = json.Unmarshal(metadata, &m) // without a cause, which an invariant reports
	return m.CausationID
}
