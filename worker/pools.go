package main

import (
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"orderflow/activities"
	"orderflow/internal/version"
	"orderflow/workflows"
)

const (
	// storeSlots bounds the activities that write to the stores. Each holds at most one
	// PostgreSQL connection at a time.
	storeSlots = 32

	// emailSlots bounds the emails being sent. An attempt holds a connection only before
	// and after its HTTP call, not during it.
	emailSlots = 16

	// poolConnections covers every slot, plus a few for health checks.
	poolConnections = storeSlots + emailSlots + 4

	// workflowSlots bounds workflow tasks, which are short and only compute.
	workflowSlots = 200

	// stickyWorkflows bounds the orders cached in memory between their tasks. Most orders
	// wait for days. Beyond this number the least recently used are evicted, and replayed
	// from their short histories at their next event.
	stickyWorkflows = 200
)

// pools are the two workers of one process: one for orders, and one for the email queue,
// whose rate the server limits.
type pools struct{ orders, emails worker.Worker }

func newPools(c client.Client, a *activities.Activities, s settings, fatal func(error)) pools {
	worker.SetStickyWorkflowCacheSize(stickyWorkflows)
	// Autoscaled pollers start few and grow under load, for an idle worker should not
	// hold a hundred long polls.
	polling := worker.NewPollerBehaviorAutoscaling(worker.PollerBehaviorAutoscalingOptions{
		InitialNumberOfPollers: 4, MinimumNumberOfPollers: 2, MaximumNumberOfPollers: 16,
	})
	deployment := s.Deployment.options(version.Read())
	orders := worker.New(c, workflows.TaskQueue, worker.Options{
		MaxConcurrentWorkflowTaskExecutionSize: workflowSlots,
		MaxConcurrentActivityExecutionSize:     storeSlots,
		WorkflowTaskPollerBehavior:             polling,
		ActivityTaskPollerBehavior:             polling,
		WorkerStopTimeout:                      s.Shutdown.Timeout, // the SDK's default of 0 drops running activities at once
		DeploymentOptions:                      deployment,
		DisableRegistrationAliasing:            true,
		OnFatalError:                           fatal,
	})
	emails := worker.New(c, workflows.EmailTaskQueue, worker.Options{
		DisableWorkflowWorker:              true,
		MaxConcurrentActivityExecutionSize: emailSlots,
		ActivityTaskPollerBehavior:         polling,
		WorkerStopTimeout:                  s.Shutdown.Timeout,
		DeploymentOptions:                  deployment,
		DisableRegistrationAliasing:        true,
		OnFatalError:                       fatal,
	})
	workflows.Register(orders)
	orders.RegisterActivity(a)
	emails.RegisterActivity(a)
	return pools{orders: orders, emails: emails}
}

func (p pools) start() error {
	if err := p.orders.Start(); err != nil {
		return err
	}
	if err := p.emails.Start(); err != nil {
		p.orders.Stop()
		return err
	}
	return nil
}

// stop waits until both have finished their running tasks, in parallel, within their stop
// timeout.
func (p pools) stop() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.emails.Stop()
	}()
	p.orders.Stop()
	<-done
}
