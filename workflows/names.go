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
)

// The task queues. Mail has its own, because its rate is the SES account's and is set on the server, per queue.
const (
	TaskQueue      = "order-fulfillment"
	EmailTaskQueue = "order-email"
)

// The messages an order understands, each as a signal and as an update, and its query.
const (
	CancelOrderMessage    = "cancel-order"
	RecordShipmentMessage = "record-shipment"
	ApproveCreditMessage  = "approve-credit"
	DeclineCreditMessage  = "decline-credit"
	StatusQuery           = "status"
)

// MemoSourceEventID is the memo with the id of the event a workflow was started for. A second event that wants the same
// workflow is told from a redelivery by it.
const MemoSourceEventID = "sourceEventId"

// StatusAttribute is the search attribute that says where an order rests.
const StatusAttribute = "OrderStatus"

// StuckAttribute is the search attribute with the step at which an order cannot proceed. It is unset while the order does.
const StuckAttribute = "OrderStuck"

// The changes to running workflows, for workflow.GetVersion. A name is never used for another change.
const (
	// versionHearOut: a shipment that came in one workflow task with a cancellation is taken.
	versionHearOut = "hear-out-before-undoing"

	// versionMessagesFirst: any message in the workflow task of the hold's end counts, and the safer of two wins.
	versionMessagesFirst = "messages-before-hold-end"

	// versionLongRounds: a stuck step carries the search attribute, and its later rounds are long instead of paused.
	versionLongRounds = "long-rounds"

	// versionPrintableCarrier: a shipment's carrier may have any printable characters.
	versionPrintableCarrier = "printable-carrier"

	// versionContinueAsNew: a run whose history has grown continues as new.
	versionContinueAsNew = "continue-as-new"
)

// SettlementID is the workflow id of the settlement of one payment, which stands at a revision of the order's stream.
func SettlementID(orderID string, revision uint64) string {
	return fmt.Sprintf("settlement-%s-%d", orderID, revision)
}

// The search attributes an order carries. Only the status changes on the way.
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

// SearchAttributes are all search attributes that a namespace has to know, for setting it up.
func SearchAttributes() temporal.SearchAttributes {
	return temporal.NewSearchAttributes(Input{}.SearchAttributes().Copy(), stuckKey().ValueSet(""))
}
