package workflows

import (
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// Register adds every workflow type to a worker or a replayer. An order, its emails and
// its repairs may wait for weeks, so they auto-upgrade to the current worker version, and
// changes to their code must go through workflow.GetVersion. A settlement or a review is
// over within seconds, so it is pinned: it ends on the version that it began on, and its
// code may change freely once the workers are versioned. One that is stuck keeps that
// version from draining.
func Register(r worker.WorkflowRegistry) {
	r.RegisterWorkflowWithOptions(OrderFulfillment, workflow.RegisterOptions{
		Name: OrderFulfillmentType, VersioningBehavior: workflow.VersioningBehaviorAutoUpgrade,
	})
	r.RegisterWorkflowWithOptions(OrderEmail, workflow.RegisterOptions{
		Name: OrderEmailType, VersioningBehavior: workflow.VersioningBehaviorAutoUpgrade,
	})
	r.RegisterWorkflowWithOptions(OrderRepair, workflow.RegisterOptions{
		Name: OrderRepairType, VersioningBehavior: workflow.VersioningBehaviorAutoUpgrade,
	})
	r.RegisterWorkflowWithOptions(OrderRestore, workflow.RegisterOptions{
		Name: OrderRestoreType, VersioningBehavior: workflow.VersioningBehaviorAutoUpgrade,
	})
	r.RegisterWorkflowWithOptions(OrderSettlement, workflow.RegisterOptions{
		Name: OrderSettlementType, VersioningBehavior: workflow.VersioningBehaviorPinned,
	})
	r.RegisterWorkflowWithOptions(CreditReview, workflow.RegisterOptions{
		Name: CreditReviewType, VersioningBehavior: workflow.VersioningBehaviorPinned,
	})
	RegisterReconciliation(r)
}

// RegisterReconciliation adds the workflows of the workers of ReconcileTaskQueue:
// Reconciliation, and DeploymentGate. Reconciliation auto-upgrades: a pinned run whose
// workers end before it would keep the next run of its schedule from starting. A gate is a
// statement about one build, so it ends on the build that it began on.
func RegisterReconciliation(r worker.WorkflowRegistry) {
	r.RegisterWorkflowWithOptions(DeploymentGate, workflow.RegisterOptions{
		Name: DeploymentGateType, VersioningBehavior: workflow.VersioningBehaviorPinned,
	})
	r.RegisterWorkflowWithOptions(Reconciliation, workflow.RegisterOptions{
		Name: ReconciliationType, VersioningBehavior: workflow.VersioningBehaviorAutoUpgrade,
	})
}
