package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	taskqueue "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"

	"orderflow/internal/temporalclient"
	"orderflow/workflows"
)

// pollerAge is how old a poll may be. The server lists pollers for some minutes after
// they are gone, and a worker polls at least once a minute.
const pollerAge = 2 * time.Minute

// temporalFacts are what Temporal returned.
type temporalFacts struct {
	version    string
	namespace  answer[*workflowservice.DescribeNamespaceResponse]
	attributes error // of temporalclient.CheckNamespace
	queues     answer[[]polledQueue]
	emailLimit answer[*taskqueue.RateLimit] // nil if none is set
	older      answer[int64]                // open orders older than the retention
	stuck      answer[int64]
}

// polledQueue is a task queue and what polls it.
type polledQueue struct {
	name        string
	kind        enums.TaskQueueType
	current     string // deployment version that gets the work; empty is workers without one
	currentName string
	currentID   string
	unversioned int
	versions    []workerVersion // sorted, each once
	prioritized bool            // tasks of another than the default priority have a backlog of their own
}

// workerVersion is a version of a Worker Deployment.
type workerVersion struct{ deployment, buildID string }

func (v workerVersion) String() string { return v.deployment + "." + v.buildID }

func (f *facts) readTemporal(ctx context.Context) (func(), error) {
	service := f.options.Temporal.WorkflowService()
	info, err := service.GetSystemInfo(ctx, &workflowservice.GetSystemInfoRequest{})
	if err != nil {
		return nil, refusedByTemporal(err)
	}
	t := temporalFacts{version: info.GetServerVersion()}
	t.namespace = ask(service.DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: f.options.Namespace}))
	if err := refusedByTemporal(t.namespace.err); isRefused(err) {
		return nil, err
	}
	if t.namespace.err == nil {
		t.attributes = temporalclient.CheckNamespace(ctx, f.options.Temporal, f.options.Namespace, workflows.RequiredAttributes(f.options.TotalHidden))
		f.readQueues(ctx, &t)
		retained := t.namespace.value.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration()
		t.older = ask(f.count(ctx, fmt.Sprintf(`WorkflowType = "%s" AND ExecutionStatus = "Running" AND StartTime < "%s"`,
			workflows.OrderFulfillmentType, f.options.Now().Add(-retained).UTC().Format(time.RFC3339))))
		t.stuck = ask(f.count(ctx, `ExecutionStatus = "Running" AND `+workflows.StuckAttribute+` IS NOT NULL`))
	}
	return func() { f.temporal = t }, nil
}

func refusedByTemporal(err error) error {
	if temporalclient.RefusesCredentials(err) {
		return &refusedError{err, "No binary with these credentials works.", "Correct TEMPORAL_API_KEY or the certificate in TEMPORAL_TLS_*, and their rights."}
	}
	return err
}

func isRefused(err error) bool {
	_, refused := errors.AsType[*refusedError](err)
	return refused
}

func (f *facts) count(ctx context.Context, query string) (int64, error) {
	response, err := f.options.Temporal.WorkflowService().CountWorkflowExecutions(ctx, &workflowservice.CountWorkflowExecutionsRequest{
		Namespace: f.options.Namespace, Query: query,
	})
	return response.GetCount(), err
}

// readQueues describes the task queues that workers poll.
func (f *facts) readQueues(ctx context.Context, t *temporalFacts) {
	queues := []polledQueue{
		{name: workflows.TaskQueue, kind: enums.TASK_QUEUE_TYPE_WORKFLOW}, {name: workflows.TaskQueue, kind: enums.TASK_QUEUE_TYPE_ACTIVITY},
	}
	if f.comparesOnSchedule(ctx) {
		queues = append(queues, polledQueue{name: workflows.ReconcileTaskQueue, kind: enums.TASK_QUEUE_TYPE_WORKFLOW},
			polledQueue{name: workflows.ReconcileTaskQueue, kind: enums.TASK_QUEUE_TYPE_ACTIVITY})
	}
	queues = append(queues, polledQueue{name: workflows.EmailTaskQueue, kind: enums.TASK_QUEUE_TYPE_ACTIVITY})
	for _, q := range queues {
		described, err := f.options.Temporal.WorkflowService().DescribeTaskQueue(ctx, &workflowservice.DescribeTaskQueueRequest{
			Namespace: f.options.Namespace, TaskQueue: &taskqueue.TaskQueue{Name: q.name, Kind: enums.TASK_QUEUE_KIND_NORMAL},
			TaskQueueType: q.kind, ReportConfig: true, ReportStats: true,
		})
		if err != nil {
			t.queues.err, t.emailLimit.err = err, err
			return
		}
		q.add(described)
		t.queues.value = append(t.queues.value, q)
		t.emailLimit.value = described.GetConfig().GetQueueRateLimit().GetRateLimit() // the last queue is that of emails
	}
}

// comparesOnSchedule reports whether a schedule compares the stores, which needs a worker
// of its own. Without the right to see schedules it reports false.
func (f *facts) comparesOnSchedule(ctx context.Context) bool {
	schedule, err := f.options.Temporal.ScheduleClient().GetHandle(ctx, workflows.ReconcileSchedule).Describe(ctx)
	return err == nil && !schedule.Schedule.State.Paused
}

// defaultPriority is the priority of tasks that have no key. A server that does not
// dispatch by priority reports the whole backlog under it.
const defaultPriority = 3

// add adds the pollers of a queue, the version that it is routed to, and what its backlog
// shows about priorities.
func (q *polledQueue) add(described *workflowservice.DescribeTaskQueueResponse) {
	if current := described.GetVersioningInfo().GetCurrentDeploymentVersion(); current != nil {
		q.currentName, q.currentID = current.GetDeploymentName(), current.GetBuildId()
		q.current = workerVersion{q.currentName, q.currentID}.String()
	}
	for priority, stats := range described.GetStatsByPriorityKey() {
		q.prioritized = q.prioritized || priority != defaultPriority && stats.GetApproximateBacklogCount() > 0
	}
	var newest time.Time // on the server's clock, which may differ from ours
	for _, p := range described.GetPollers() {
		if at := p.GetLastAccessTime().AsTime(); at.After(newest) {
			newest = at
		}
	}
	for _, p := range described.GetPollers() {
		if newest.Sub(p.GetLastAccessTime().AsTime()) > pollerAge {
			continue
		}
		options := p.GetDeploymentOptions()
		if options.GetWorkerVersioningMode() != enums.WORKER_VERSIONING_MODE_VERSIONED {
			q.unversioned++
			continue
		}
		v := workerVersion{options.GetDeploymentName(), options.GetBuildId()}
		if !slices.Contains(q.versions, v) {
			q.versions = append(q.versions, v)
		}
	}
	slices.SortFunc(q.versions, func(a, b workerVersion) int { return cmpText(a.String(), b.String()) })
}

func cmpText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	default:
		return 0
	}
}

func temporalReachable(*facts) Result { return ok("responds") }

// isMissing reports whether the namespace does not exist.
func (f *facts) isMissing() bool {
	_, missing := errors.AsType[*serviceerror.NamespaceNotFound](f.temporal.namespace.err)
	return missing
}

// namespaceResult returns the result of a check in a namespace that cannot be used.
func (f *facts) namespaceResult() (Result, bool) {
	switch err := f.temporal.namespace.err; {
	case err == nil:
		return Result{}, false
	case f.isMissing():
		return notChecked("there is no namespace %s", f.options.Namespace), true
	default:
		return failed(err), true
	}
}
