package main

import (
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"orderflow/activities"
	"orderflow/internal/config"
	"orderflow/internal/version"
	"orderflow/workflows"
)

// pools are the workers of one process: one for orders, and one for the email queue, whose
// rate the server limits, or one for comparisons. A queue that the process does not serve
// has none.
type pools []worker.Worker

func newPools(c client.Client, h hosted, s settings, fatal func(error)) pools {
	var p pools
	shared := worker.Options{
		ActivityTaskPollerBehavior:  polling(s.Tuning.Partitions, s.Tuning.ActivityPollers),
		WorkerStopTimeout:           s.Shutdown.Timeout, // the SDK's default of 0 drops running activities at once
		DeploymentOptions:           s.Deployment.options(version.Read()),
		DisableRegistrationAliasing: true,
		OnFatalError:                fatal,
	}
	if s.Tuning.ServesOrders() {
		p = append(p, newOrders(c, h.orders, s.Tuning, shared))
	}
	if s.Tuning.ServesEmails() {
		p = append(p, newEmails(c, h.orders, s.Tuning, shared))
	}
	if s.Tuning.ServesReconcile() {
		shared.MaxHeartbeatThrottleInterval = reconcileHeartbeat
		p = append(p, newReconciliations(c, h, s.Tuning, shared))
	}
	return p
}

// hosted are the activities of the queues that a process serves.
type hosted struct {
	orders     *activities.Activities // has only its checks for the reconcile queue
	reconciler *activities.Reconciler // nil for the others
}

// newOrders returns the worker of every workflow, and of every activity but the sending of
// emails.
func newOrders(c client.Client, a *activities.Activities, t config.Worker, o worker.Options) worker.Worker {
	// Most orders wait for days. Beyond this number the least recently used are evicted
	// from memory, and replayed from their short histories at their next event.
	worker.SetStickyWorkflowCacheSize(t.CachedOrders)
	o.MaxConcurrentWorkflowTaskExecutionSize = t.WorkflowSlots
	o.MaxConcurrentActivityExecutionSize = t.ActivitySlots
	o.MaxConcurrentLocalActivityExecutionSize = t.LocalSlots
	o.WorkflowTaskPollerBehavior = polling(t.Partitions, t.WorkflowPollers)
	orders := worker.New(c, workflows.TaskQueue, o)
	workflows.Register(orders)
	orders.RegisterActivity(a)
	return orders
}

// newEmails returns the worker that sends emails.
func newEmails(c client.Client, a *activities.Activities, t config.Worker, o worker.Options) worker.Worker {
	o.DisableWorkflowWorker = true
	o.MaxConcurrentActivityExecutionSize = t.EmailSlots
	emails := worker.New(c, workflows.EmailTaskQueue, o)
	emails.RegisterActivity(a.SendEmail)
	return emails
}

// reconcileHeartbeat is how often the position of a comparison reaches the server: what a
// worker that dies loses. The SDK would send it every minute.
const reconcileHeartbeat = 20 * time.Second

// newReconciliations returns the worker that compares the stores. A comparison makes
// requests in parallel itself, so its slots are only as many as a poll for each partition
// needs.
func newReconciliations(c client.Client, h hosted, t config.Worker, o worker.Options) worker.Worker {
	o.MaxConcurrentWorkflowTaskExecutionSize = t.WorkflowSlots
	o.MaxConcurrentActivityExecutionSize = t.Partitions
	o.ActivityTaskPollerBehavior = polling(t.Partitions, t.Partitions)
	o.WorkflowTaskPollerBehavior = polling(t.Partitions, t.Partitions)
	comparing := worker.New(c, workflows.ReconcileTaskQueue, o)
	workflows.RegisterReconciliation(comparing)
	comparing.RegisterActivity(h.reconciler)
	comparing.RegisterActivity(h.orders.CheckStores)
	return comparing
}

// polling returns pollers that are few while a worker is idle and grow under load, but are
// never fewer than the task queue has partitions.
//
// The server keeps the tasks of a queue in partitions, 4 by default, and its frontend sends
// each poll to the partition with the fewest. The backlog of a partition without a poll has
// to be forwarded to the root partition, one task at a time and at most 10 a second
// (matching.forwarderMaxRatePerSecond). If the root has no poll either, each attempt lasts
// 2 s. A poll is not forwarded while its partition has a backlog older than 5 s
// (matching.backlogNegligibleAge), also if that backlog then goes elsewhere: it waits at an
// empty partition until it expires after a minute. With a poll at every partition neither
// matters.
func polling(partitions, most int) worker.PollerBehavior {
	return worker.NewPollerBehaviorAutoscaling(worker.PollerBehaviorAutoscalingOptions{
		InitialNumberOfPollers: partitions, MinimumNumberOfPollers: partitions, MaximumNumberOfPollers: most,
	})
}

// start starts all workers, or none.
func (p pools) start() error {
	for i, w := range p {
		if err := w.Start(); err != nil {
			p[:i].stop()
			return err
		}
	}
	return nil
}

// stop waits until all have finished their running tasks, in parallel, within their stop
// timeout.
func (p pools) stop() {
	var stopping sync.WaitGroup
	for _, w := range p {
		stopping.Go(w.Stop)
	}
	stopping.Wait()
}
