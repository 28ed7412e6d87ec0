package failpoint

import "strings"

// Point is a place where a binary can be made to crash.
type Point struct {
	Name string // process.step.before, .after or .sent
	Dies string // what has happened and what has not when the process crashes there
}

// Process returns the daemon whose work the point is in. An operator's command may do that
// work too, such as orderflow view rebuild.
func (p Point) Process() string {
	process, _, _ := strings.Cut(p.Name, ".")
	return process
}

// Points returns all points. Each is placed in the code exactly once. A new one also
// needs orders that reach it: add them in dev/chaos/internal/crash.
func Points() []Point {
	return []Point{
		{"starter.start.before", "an order's event is received, its workflow is not started"},
		{"starter.start.after", "the workflow is started, the event is not acknowledged"},
		{"starter.signal.before", "a cancellation is received, the order's workflow is not signaled"},
		{"starter.signal.after", "the workflow is signaled, the cancellation is not acknowledged"},
		{"starter.update.before", "a shipment is received, the order's workflow is not updated"},
		{"starter.update.after", "the workflow has accepted the shipment, the event is not acknowledged"},
		{"starter.start-early.before", "a cancellation overtook its order, nothing is started or signaled"},
		{"starter.start-early.after", "the cancellation has started its order's workflow, which is not signaled"},
		{"starter.start-per-event.before", "a payment is received, its settlement is not started"},
		{"starter.start-per-event.after", "the settlement is started, the payment is not acknowledged"},
		{"starter.ack.before", "an event has had its effect, it is not acknowledged to KurrentDB"},
		{"starter.ack.after", "the acknowledgment is handed to the connection and may never arrive"},
		{"starter.park.before", "an event is found to be unusable, it is not parked"},
		{"starter.park.after", "the event's parking is handed to the connection and may never arrive"},

		{"worker.reserve.before", "an order needs credit, the account has not decided"},
		{"worker.reserve.after", "the decision is in the account's stream, Temporal does not know it"},
		{"worker.release.before", "an order's credit is to be released, the account does not know"},
		{"worker.release.after", "the order is closed in the account's stream, Temporal does not know it"},
		{"worker.settle.before", "a paid order's credit is to be released, the account does not know"},
		{"worker.settle.after", "the paid order is closed in the account's stream, Temporal does not know it"},
		{"worker.review.before", "credit was freed, and orders on hold are to be reviewed"},
		{"worker.review.after", "the account has reserved for an order on hold, Temporal does not know it"},
		{"worker.start-fulfillment.before", "the order's body is read, there is no row"},
		{"worker.start-fulfillment.after", "row, lines and confirmation are committed, Temporal does not know it"},
		{"worker.record-parcel.before", "a parcel has left that others follow, the row is without it"},
		{"worker.record-parcel.after", "the row has the parcel and its email is queued, Temporal does not know it"},
		{"worker.close-fulfillment.before", "a fulfillment is to be closed, the row is unchanged"},
		{"worker.close-fulfillment.after", "the row is final and its email is queued, Temporal does not know it"},
		{"worker.transaction.sent", "a transaction and its commit are sent to PostgreSQL, the response is not read"},
		{"worker.mail-claim.before", "an email is due, its ledger row is pending"},
		{"worker.mail-claim.after", "the ledger row is sending, the message is not written"},
		{"worker.mail-send.before", "the message is written, SES is not called"},
		{"worker.mail-send.after", "SES has accepted the email, only this process knows its message id"},
		{"worker.mail-settle.before", "the outcome of the email is known, its ledger row is sending"},
		{"worker.mail-settle.after", "the ledger has the outcome of the email, Temporal does not"},

		{"publisher.append.before", "a version is read from the log, its event is not appended"},
		{"publisher.append.after", "the event is in its stream, the publisher has not counted it"},
		{"publisher.mark.before", "versions are published, neither checkpoint nor slot has moved"},
		{"publisher.mark.after", "the checkpoint has moved, the slot has not"},
		{"publisher.confirm.after", "the publisher has told the slot how far the versions are published"},
		{"publisher.snapshot.before", "a part of the history or all of it is published, the checkpoint does not say so"},
		{"publisher.snapshot.after", "the checkpoint says how far the history is published, nothing follows it yet"},
		{"publisher.set-aside.before", "a version can never be appended, its order is not set aside"},
		{"publisher.set-aside.after", "the order is set aside, the publisher has not skipped the version"},

		{"projector.project.before", "events are read, the view and its position are unchanged"},
		{"projector.project.after", "the view and its position are committed, the projector has not counted them"},
		{"projector.rebuild.before", "the view is rebuilt, the old one is still read"},
		{"projector.rebuild.after", "the rebuilt view is read, the caller does not know"},

		{"api.place.before", "an order is received, its stream does not have it"},
		{"api.place.after", "the order is in its stream, the request has no response"},
		{"api.cancel.before", "a cancellation is received, it is not sent to the order's workflow"},
		{"api.cancel.after", "the order is canceled, the request has no response"},
		{"api.request.before", "a cancellation finds no workflow, the order's stream does not have it"},
		{"api.request.after", "the request to cancel is in the order's stream, the HTTP request has no response"},
		{"api.open.before", "an account is to be opened, its stream does not exist"},
		{"api.open.after", "the account is opened, the request has no response"},
		{"api.limit.before", "a limit is to be changed, the account has the old one"},
		{"api.limit.after", "the account has the new limit, the request has no response"},
	}
}

// Names returns the names of all points.
func Names() []string {
	var names []string
	for _, p := range Points() {
		names = append(names, p.Name)
	}
	return names
}
