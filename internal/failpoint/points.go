package failpoint

import "strings"

// Point is a place where a binary can be made to end.
type Point struct {
	Name string // process.step.before, .after or .sent
	Dies string // what has happened and what has not when the process ends there
}

// Process is the binary that the point is in.
func (p Point) Process() string {
	process, _, _ := strings.Cut(p.Name, ".")
	return process
}

// Points lists every point there is, each placed in the code exactly once. A new one also needs to be led to: say in
// dev/chaos/internal/crash which orders come by it.
func Points() []Point {
	return []Point{
		{"starter.start.before", "an order's event is in hand, its workflow is not started"},
		{"starter.start.after", "the workflow is started, the event is not acknowledged"},
		{"starter.signal.before", "a cancellation is in hand, the order's workflow is not signalled"},
		{"starter.signal.after", "the workflow is signalled, the cancellation is not acknowledged"},
		{"starter.start-early.before", "a cancellation overtook its order, nothing is started or signaled"},
		{"starter.start-early.after", "the cancellation has started its order's workflow, which is not signaled"},
		{"starter.settlement.before", "a payment is in hand, its settlement is not started"},
		{"starter.settlement.after", "the settlement is started, the payment is not acknowledged"},
		{"starter.ack.before", "an event has had its effect, nothing is told to KurrentDB"},
		{"starter.ack.after", "the acknowledgement is handed to the connection and may never arrive"},
		{"starter.park.before", "an event is found to be unusable, it is not put aside"},
		{"starter.park.after", "the event's parking is handed to the connection and may never arrive"},

		{"worker.reserve.before", "an order asks for credit, the account has not decided"},
		{"worker.reserve.after", "the decision is in the account's stream, Temporal does not know it"},
		{"worker.release.before", "an order's credit is to be given back, the account does not know"},
		{"worker.release.after", "the order is closed in the account's stream, Temporal does not know it"},
		{"worker.settle.before", "a paid order's credit is to be freed, the account does not know"},
		{"worker.settle.after", "the paid order is closed in the account's stream, Temporal does not know it"},
		{"worker.start-fulfillment.before", "the order's body is read, there is no row"},
		{"worker.start-fulfillment.after", "row, lines and confirmation are committed, Temporal does not know it"},
		{"worker.close-fulfillment.before", "a fulfilment is to be closed, the row is as it was"},
		{"worker.close-fulfillment.after", "the row is final and its mail is queued, Temporal does not know it"},
		{"worker.transaction.sent", "a transaction is on its way to PostgreSQL with its commit, the answer is not read"},
		{"worker.mail-claim.before", "a mail is due, the ledger has it as pending"},
		{"worker.mail-claim.after", "the ledger has the mail as being sent, the letter is not written"},
		{"worker.mail-send.before", "the letter is written, SES is not called"},
		{"worker.mail-send.after", "SES has accepted the mail, its message id is known to nobody else"},
		{"worker.mail-settle.before", "what became of the mail is known, the ledger has it as being sent"},
		{"worker.mail-settle.after", "the ledger knows what became of the mail, Temporal does not"},

		{"publisher.append.before", "a version is read from the log, its event is not appended"},
		{"publisher.append.after", "the event is in its stream, the publisher has not counted it"},
		{"publisher.mark.before", "versions are published, neither mark nor slot has moved"},
		{"publisher.mark.after", "the mark has moved, the slot has not"},
		{"publisher.confirm.after", "the slot is told how far the versions are published"},
		{"publisher.snapshot.before", "a part of the history is published or all of it, the mark does not say so"},
		{"publisher.snapshot.after", "the mark says how far the history is published, nothing follows it yet"},
		{"publisher.set-aside.before", "a version can never be appended, its order is not set aside"},
		{"publisher.set-aside.after", "the order is set aside, the publisher has not passed over the version"},

		{"projector.project.before", "events are read, the view and its position are as they were"},
		{"projector.project.after", "the view and its position are committed, the projector has not counted them"},
		{"projector.rebuild.before", "the view is built anew, the old one is still read"},
		{"projector.rebuild.after", "the view that was built anew is read, whoever asked for it does not know"},

		{"api.place.before", "an order is in hand, its stream does not have it"},
		{"api.place.after", "the order is in its stream, the request is not answered"},
		{"api.cancel.before", "a cancellation is in hand, the order's workflow is not asked"},
		{"api.cancel.after", "the order is cancelled, the request is not answered"},
		{"api.request.before", "a cancellation finds no workflow, the order's stream does not have it"},
		{"api.request.after", "the wish to cancel is in the order's stream, the request is not answered"},
		{"api.open.before", "an account is to be opened, its stream does not exist"},
		{"api.open.after", "the account is opened, the request is not answered"},
		{"api.limit.before", "a limit is to be changed, the account has the old one"},
		{"api.limit.after", "the account has the new limit, the request is not answered"},
	}
}

// Names lists the names of all points.
func Names() []string {
	var names []string
	for _, p := range Points() {
		names = append(names, p.Name)
	}
	return names
}
