package setup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"orderflow/internal/backoff"
	"orderflow/internal/temporalclient"
	"orderflow/workflows"
)

// TemporalOptions are what to set up in Temporal.
type TemporalOptions struct {
	Client    client.Client // which need not be connected yet
	Namespace string
	Identity  string

	TotalHidden bool // the namespace need not have the search attribute with an order's total

	EmailRate float64 // emails per second; 0 leaves the queue unchanged
	Reconcile Reconcile
	Converter converter.DataConverter // of the client; nil means the default
	Refresh   bool                    // tell all open orders to set their search attributes, whether or not one is missing

	// RefreshBefore is Refresh for the orders that started until then: those that an
	// earlier refresh did not reach. Zero means none.
	RefreshBefore time.Time
}

const (
	callTimeout = 10 * time.Second

	// attributesTimeout bounds creating search attributes, which servers may take a while
	// to see everywhere.
	attributesTimeout = 2 * time.Minute

	stepNamespace = "namespace"
	stepRefresh   = "search attributes of open orders"
	stepRate      = "rate of " + workflows.EmailTaskQueue
	stepFairness  = "fairness of task queues"
)

// temporalRun is the setup of Temporal.
type temporalRun struct {
	*run
	TemporalOptions
}

func (t *temporalRun) setUp(ctx context.Context) {
	if !t.await(ctx, Temporal, temporalclient.Verify(t.Client, t.Namespace), isConfig) || !t.namespace(ctx) {
		return
	}
	t.attributes(ctx)
	t.rate(ctx)
	t.schedule(ctx)
	t.fairness()
}

// namespace waits for the namespace, which a new server creates only after it accepts
// calls. How long a namespace keeps closed workflows is for its owner to decide, so it is
// not created here.
func (t *temporalRun) namespace(ctx context.Context) bool {
	missing := false
	ok := t.await(ctx, Temporal, func(ctx context.Context) error {
		err := temporalclient.CheckNamespace(ctx, t.Client, t.Namespace, temporal.SearchAttributes{})
		_, missing = errors.AsType[*serviceerror.NamespaceNotFound](err)
		return err
	}, func(error) bool { return !missing })
	if !ok && missing {
		last := &t.Steps[len(t.Steps)-1]
		last.Step, last.Detail = stepNamespace, "there is no namespace "+t.Namespace
		last.Todo = []string{"temporal operator namespace create --retention 720h " + t.Namespace}
	}
	return ok
}

// attributes creates the search attributes that the namespace lacks, and then has open
// orders set theirs.
func (t *temporalRun) attributes(ctx context.Context) {
	before, err := t.lacking(ctx)
	if err != nil {
		t.fail(Temporal, "search attributes", err)
		return
	}
	missing, wrong := before.split()
	if len(missing) > 0 && !t.dryRun() {
		err = t.create(ctx)
	}
	for _, name := range attributeNames(workflows.RequiredAttributes(t.TotalHidden)) {
		t.attribute(name, missing, wrong, err)
	}
	switch {
	case err != nil || len(wrong) > 0:
		t.add(Temporal, stepRefresh, Skipped, "the search attributes come first")
	case len(missing) == 0 && !t.RefreshBefore.IsZero():
		t.refresh(ctx, openUntil(t.RefreshBefore), refreshAll)
	case t.Refresh || len(missing) > 0:
		t.refresh(ctx, openUntil(time.Now()), refreshAll)
	default:
		t.refresh(ctx, openWithout(t.TotalHidden), "orderflow setup --only temporal")
	}
}

func attributeNames(attributes temporal.SearchAttributes) (names []string) {
	for key := range attributes.GetUntypedValues() {
		names = append(names, key.GetName())
	}
	slices.Sort(names)
	return names
}

// attribute adds the result of one search attribute. createErr is the error of creating
// those that were missing.
func (t *temporalRun) attribute(name string, missing, wrong lackingAttributes, createErr error) {
	step := "search attribute " + name
	if a, ok := wrong[name]; ok {
		t.add(Temporal, step, Left, fmt.Sprintf("is %s and must be %s; to replace it loses its values, also those of closed orders", a.Found, a.Want),
			append(t.commands(lackingAttributes{name: a}), refreshAll)...)
		return
	}
	a, ok := missing[name]
	switch {
	case !ok:
		t.add(Temporal, step, AlreadyThere, "")
	case createErr == nil:
		t.done(Temporal, step, Created, a.Want.String())
	case isRefusal(createErr):
		t.add(Temporal, step, Refused, "the server does not let this user create it", append(t.commands(lackingAttributes{name: a}),
			refreshAll)...)
	default:
		t.fail(Temporal, step, createErr)
	}
}

// commands returns the commands by which a person creates search attributes.
func (t *temporalRun) commands(lacking lackingAttributes) (commands []string) {
	for _, a := range lacking {
		e := temporalclient.AttributesError{Namespace: t.Namespace, Attributes: []temporalclient.Attribute{a}}
		commands = append(commands, e.Repair(), fmt.Sprintf(
			"tcld namespace search-attributes add --namespace %s --search-attribute %s=%s # on Temporal Cloud, or in its UI: Namespaces, Edit, Search Attributes",
			t.Namespace, a.Name, a.Want))
	}
	return commands
}

// lackingAttributes are search attributes that are missing or of another type, by name.
type lackingAttributes map[string]temporalclient.Attribute

func (t *temporalRun) lacking(ctx context.Context) (lackingAttributes, error) {
	err := temporalclient.CheckNamespace(ctx, t.Client, t.Namespace, workflows.RequiredAttributes(t.TotalHidden))
	lacking := lackingAttributes{}
	found, ok := errors.AsType[*temporalclient.AttributesError](err)
	if !ok {
		return lacking, err
	}
	for _, a := range found.Attributes {
		lacking[a.Name] = a
	}
	return lacking, nil
}

func (l lackingAttributes) split() (missing, wrong lackingAttributes) {
	missing, wrong = lackingAttributes{}, lackingAttributes{}
	for name, a := range l {
		if a.Found == enums.INDEXED_VALUE_TYPE_UNSPECIFIED {
			missing[name] = a
		} else {
			wrong[name] = a
		}
	}
	return missing, wrong
}

// create creates the search attributes that are missing, and returns when the server
// lists them. Another setup may create them at the same time.
func (t *temporalRun) create(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, attributesTimeout)
	defer cancel()
	retry := backoff.Exponential{Min: 100 * time.Millisecond, Max: 2 * time.Second}
	for tries := 0; ; tries++ {
		lacking, err := t.lacking(ctx)
		missing, _ := lacking.split()
		if err == nil && len(missing) == 0 {
			return nil
		}
		if err == nil {
			err = t.tryCreate(ctx, missing)
		}
		if isRefusal(err) {
			return err
		}
		if ended := retry.Wait(ctx, tries); ended != nil {
			return fmt.Errorf("create search attributes: %w", errors.Join(ended, err))
		}
	}
}

func (t *temporalRun) tryCreate(ctx context.Context, missing lackingAttributes) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	types := map[string]enums.IndexedValueType{}
	for name, a := range missing {
		types[name] = a.Want
	}
	_, err := t.Client.OperatorService().AddSearchAttributes(ctx,
		&operatorservice.AddSearchAttributesRequest{Namespace: t.Namespace, SearchAttributes: types})
	return err
}

// isRefusal reports whether a server does not let this caller make the call at all.
func isRefusal(err error) bool {
	_, denied := errors.AsType[*serviceerror.PermissionDenied](err)
	_, unimplemented := errors.AsType[*serviceerror.Unimplemented](err)
	return denied || unimplemented
}

// rate limits the queue of emails on the server.
func (t *temporalRun) rate(ctx context.Context) {
	current, err := t.currentRate(ctx)
	wanted := float32(t.EmailRate)
	switch {
	case err != nil && wanted == 0:
		t.add(Temporal, stepRate, Skipped, "no rate was given")
		return
	case err == nil && wanted == 0:
		t.add(Temporal, stepRate, Skipped, "no rate was given; it is "+formatRate(current))
		return
	case err == nil && current != nil && current.GetRequestsPerSecond() == wanted:
		t.add(Temporal, stepRate, AlreadyThere, formatRate(current))
		return
	}
	if err == nil && !t.dryRun() {
		err = t.setRate(ctx, wanted)
	}
	switch {
	case isRefusal(err):
		t.add(Temporal, stepRate, Refused, "the server does not let this user limit it, or is too old for that", t.rateCommand())
	case err != nil:
		t.fail(Temporal, stepRate, err)
	default:
		t.done(Temporal, stepRate, Changed, fmt.Sprintf("from %s to %s", formatRate(current), formatRate(&taskqueue.RateLimit{RequestsPerSecond: wanted})))
	}
}

// fairness prints how an administrator turns fairness on. No API of Temporal sets it or
// shows it.
func (t *temporalRun) fairness() {
	t.add(Temporal, stepFairness, Unknown, "Temporal shows no client whether it is on, and setup cannot turn it on",
		temporalclient.DynamicConfigLine(temporalclient.FairnessSetting, t.Namespace)+
			" # dynamic configuration of a self-hosted server; on Temporal 1.29 while no task waits",
		temporalclient.DynamicConfigLine(temporalclient.FairnessMigrationSetting, t.Namespace)+" # on Temporal 1.30 also this, first",
		"on Temporal Cloud, in its UI: Namespaces, "+t.Namespace+", Overview, Fairness")
}

const rateReason = "SES account"

func (t *temporalRun) rateCommand() string {
	return fmt.Sprintf("temporal task-queue config set --namespace %s --task-queue %s --task-queue-type activity --queue-rps-limit %s --queue-rps-limit-reason %q",
		t.Namespace, workflows.EmailTaskQueue, formatFloat(float32(t.EmailRate)), rateReason)
}

func (t *temporalRun) currentRate(ctx context.Context) (*taskqueue.RateLimit, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	queue, err := t.Client.WorkflowService().DescribeTaskQueue(ctx, &workflowservice.DescribeTaskQueueRequest{
		Namespace: t.Namespace, TaskQueue: &taskqueue.TaskQueue{Name: workflows.EmailTaskQueue},
		TaskQueueType: enums.TASK_QUEUE_TYPE_ACTIVITY, ReportConfig: true,
	})
	return queue.GetConfig().GetQueueRateLimit().GetRateLimit(), err
}

func (t *temporalRun) setRate(ctx context.Context, perSecond float32) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := t.Client.WorkflowService().UpdateTaskQueueConfig(ctx, &workflowservice.UpdateTaskQueueConfigRequest{
		Namespace: t.Namespace, Identity: t.Identity, TaskQueue: workflows.EmailTaskQueue, TaskQueueType: enums.TASK_QUEUE_TYPE_ACTIVITY,
		UpdateQueueRateLimit: &workflowservice.UpdateTaskQueueConfigRequest_RateLimitUpdate{
			RateLimit: &taskqueue.RateLimit{RequestsPerSecond: perSecond}, Reason: rateReason,
		},
	})
	return err
}

func formatRate(limit *taskqueue.RateLimit) string {
	if limit == nil {
		return "unlimited"
	}
	return formatFloat(limit.GetRequestsPerSecond()) + " per second"
}

func formatFloat(f float32) string { return strconv.FormatFloat(float64(f), 'f', -1, 32) }

func quote(values []string) string { return "'" + strings.Join(values, "', '") + "'" }
