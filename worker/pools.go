package main

import (
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"orderflow/activities"
	"orderflow/workflows"
)

const (
	// storeSlots bounds the activities that write to the stores. Each holds at most one PostgreSQL connection at a time.
	storeSlots = 32

	// mailSlots bounds the mails in the air. An attempt holds a connection only around its HTTP call, not during it.
	mailSlots = 16

	// poolConnections covers every slot, with a few for health checks.
	poolConnections = storeSlots + mailSlots + 4

	// workflowSlots bounds workflow tasks, which are short and only compute.
	workflowSlots = 200

	// stickyWorkflows bounds the orders kept in memory between their tasks. Most orders wait for days: beyond this many
	// the least recently used are dropped, and replayed from their short histories when something happens.
	stickyWorkflows = 200
)

// pools are the two workers of one process: orders, and mail on the queue whose rate the server limits.
type pools struct{ orders, mail worker.Worker }

func newPools(c client.Client, a *activities.Activities, s settings, fatal func(error)) pools {
	worker.SetStickyWorkflowCacheSize(stickyWorkflows)
	// Autoscaled pollers start few and grow under load: an idle worker should not hold a hundred long polls.
	polling := worker.NewPollerBehaviorAutoscaling(worker.PollerBehaviorAutoscalingOptions{
		InitialNumberOfPollers: 4, MinimumNumberOfPollers: 2, MaximumNumberOfPollers: 16,
	})
	orders := worker.New(c, workflows.TaskQueue, worker.Options{
		MaxConcurrentWorkflowTaskExecutionSize: workflowSlots,
		MaxConcurrentActivityExecutionSize:     storeSlots,
		WorkflowTaskPollerBehavior:             polling,
		ActivityTaskPollerBehavior:             polling,
		WorkerStopTimeout:                      s.Shutdown.Timeout, // the SDK's default of 0 drops running activities at once
		DeploymentOptions:                      s.deployment(),
		DisableRegistrationAliasing:            true,
		OnFatalError:                           fatal,
	})
	mail := worker.New(c, workflows.EmailTaskQueue, worker.Options{
		DisableWorkflowWorker:              true,
		MaxConcurrentActivityExecutionSize: mailSlots,
		ActivityTaskPollerBehavior:         polling,
		WorkerStopTimeout:                  s.Shutdown.Timeout,
		DeploymentOptions:                  s.deployment(),
		DisableRegistrationAliasing:        true,
		OnFatalError:                       fatal,
	})
	workflows.Register(orders)
	orders.RegisterActivity(a)
	mail.RegisterActivity(a)
	return pools{orders: orders, mail: mail}
}

func (p pools) start() error {
	if err := p.orders.Start(); err != nil {
		return err
	}
	if err := p.mail.Start(); err != nil {
		p.orders.Stop()
		return err
	}
	return nil
}

// stop lets both finish what they run, side by side, within their stop timeout.
func (p pools) stop() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.mail.Stop()
	}()
	p.orders.Stop()
	<-done
}
