package workflows

import (
	"fmt"

	"go.temporal.io/sdk/temporal"
)

// The workflow types.
const (
	OrderFulfillmentType = "OrderFulfillment"
	OrderSettlementType  = "OrderSettlement"
	OrderEmailType       = "OrderEmail"
	OrderRepairType      = "OrderRepair"
	OrderRestoreType     = "OrderRestore"
	DeploymentGateType   = "DeploymentGate"
	ReconciliationType   = "Reconciliation"
	CreditReviewType     = "CreditReview"
)

// The task queues. Email has its own, because its rate limit is the SES account's and is
// set on the server, per queue. So has Reconciliation, because its workers read the whole
// log, with users of their own.
const (
	TaskQueue          = "order-fulfillment"
	EmailTaskQueue     = "order-email"
	ReconcileTaskQueue = "order-reconcile"
)

// ReconcileSchedule is the id of the schedule that starts Reconciliation, and the beginning
// of its workflows' ids.
const ReconcileSchedule = "reconcile"

// The names of an order's messages, each of which is both a signal and an update, and of
// its query.
const (
	CancelOrderMessage    = "cancel-order"
	RecordShipmentMessage = "record-shipment"
	ApproveCreditMessage  = "approve-credit"
	DeclineCreditMessage  = "decline-credit"
	StatusQuery           = "status"
)

// MemoSourceEventID is the memo field with the id of the event a workflow was started
// for. It distinguishes a redelivery from a second event that asks for the same workflow.
const MemoSourceEventID = "sourceEventId"

// StatusAttribute is the search attribute with an order's status.
const StatusAttribute = "OrderStatus"

// StuckAttribute is the search attribute with the step at which an order is stuck. It is
// unset while the order proceeds.
const StuckAttribute = "OrderStuck"

// LateAttribute is the search attribute that is true while an order waits longer for its
// shipment than it should, and unset otherwise.
const LateAttribute = "OrderLate"

// The change ids for workflow.GetVersion. An id is never reused for another change.
const (
	// versionYieldToHandlers: a shipment that arrives in the same workflow task as a
	// cancellation is accepted.
	versionYieldToHandlers = "hear-out-before-undoing"

	// versionMessagesFirst: every message in the workflow task in which the hold ends
	// counts, and the safer of two wins.
	versionMessagesFirst = "messages-before-hold-end"

	// versionLongRounds: a stuck step sets the search attribute, and its later rounds are
	// long instead of separated by pauses.
	versionLongRounds = "long-rounds"

	// versionPrintableCarrier: a shipment's carrier may contain any printable characters.
	versionPrintableCarrier = "printable-carrier"

	// versionContinueAsNew: a run whose history has grown continues as new.
	versionContinueAsNew = "continue-as-new"

	// versionHandOverLast: emails that are left when an order or a repair has ended are
	// handed over.
	versionHandOverLast = "hand-over-last"

	// versionRefresh: the signal that sets the search attributes again has an effect.
	versionRefresh = "refresh-search-attributes"

	// versionReview: an order on hold whose credit a review reserved goes on.
	versionReview = "review-credit"

	// versionDeclineReserved: a decline that finds the order reserved closes its row before
	// it releases the credit.
	versionDeclineReserved = "decline-reserved"
)

// SettlementID returns the workflow id of the settlement of the payment at the given
// revision of the order's stream.
func SettlementID(orderID string, revision uint64) string {
	return fmt.Sprintf("settlement-%s-%d", orderID, revision)
}

// ReviewID returns the workflow id of the review for the event at the given revision of the
// customer's credit account. It has the hash of the customer's id: ids of workflows must be
// printable ASCII.
func ReviewID(customerID string, revision uint64) string {
	return fmt.Sprintf("credit-review-%s-%d", CustomerPriority(customerID).FairnessKey, revision)
}

// The search attributes of an order. Only the status, the stuck step and whether it is late
// change while it runs.
func customerIDKey() temporal.SearchAttributeKeyKeyword {
	return temporal.NewSearchAttributeKeyKeyword("CustomerId")
}

func currencyKey() temporal.SearchAttributeKeyKeyword {
	return temporal.NewSearchAttributeKeyKeyword("Currency")
}

func totalKey() temporal.SearchAttributeKeyInt64 {
	return temporal.NewSearchAttributeKeyInt64("OrderTotalMinor")
}

func statusKey() temporal.SearchAttributeKeyKeyword {
	return temporal.NewSearchAttributeKeyKeyword(StatusAttribute)
}

func stuckKey() temporal.SearchAttributeKeyKeyword {
	return temporal.NewSearchAttributeKeyKeyword(StuckAttribute)
}

func lateKey() temporal.SearchAttributeKeyBool {
	return temporal.NewSearchAttributeKeyBool(LateAttribute)
}

// SearchAttributes returns every search attribute that an order may have.
func SearchAttributes() temporal.SearchAttributes { return RequiredAttributes(false) }

// RequiredAttributes returns every search attribute that a namespace must have for orders
// with this Input.TotalHidden.
func RequiredAttributes(totalHidden bool) temporal.SearchAttributes {
	return temporal.NewSearchAttributes(Input{TotalHidden: totalHidden}.SearchAttributes().Copy(), stuckKey().ValueSet(""),
		lateKey().ValueSet(false))
}
