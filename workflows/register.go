package workflows

import (
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// Register adds every workflow type to a worker or a replayer. Orders wait for weeks, so
// they auto-upgrade to the newest worker version, and changes to their code must go
// through workflow.GetVersion.
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
		Name: OrderSettlementType, VersioningBehavior: workflow.VersioningBehaviorAutoUpgrade,
	})
	// A gate is a statement about one build, so it ends on the build that it began on.
	r.RegisterWorkflowWithOptions(DeploymentGate, workflow.RegisterOptions{
		Name: DeploymentGateType, VersioningBehavior: workflow.VersioningBehaviorPinned,
	})
}
