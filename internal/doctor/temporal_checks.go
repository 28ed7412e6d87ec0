package doctor

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	enums "go.temporal.io/api/enums/v1"

	"orderflow/internal/temporalclient"
	"orderflow/workflows"
)

const (
	// minRetention is how long Temporal should remember a closed order: for as long, an
	// event that is delivered again is recognized by its workflow, and reconcile compares
	// the order with it.
	minRetention = 24 * time.Hour

	// The oldest version of the server that the tests run against.
	oldestTemporalMajor, oldestTemporalMinor = 1, 29
)

func temporalVersion(f *facts) Result {
	version := f.temporal.version
	major, minor, known := versionOf(version)
	switch {
	case !known:
		return notChecked("the server says no version")
	case major < oldestTemporalMajor || major == oldestTemporalMajor && minor < oldestTemporalMinor:
		return warning("Temporal "+version, "Orderflow is tested with 1.29 and newer. Older servers lack the rate of a task queue or worker versions.",
			"Upgrade Temporal to 1.29 or newer.")
	default:
		return ok("Temporal %s", version)
	}
}

// versionOf parses the first two numbers of a version.
func versionOf(text string) (major, minor int, known bool) {
	parts := strings.SplitN(text, ".", 3)
	if len(parts) < 2 {
		return 0, 0, false
	}
	major, majorErr := strconv.Atoi(parts[0])
	minor, minorErr := strconv.Atoi(parts[1])
	return major, minor, majorErr == nil && minorErr == nil
}

func namespace(f *facts) Result {
	name, n := f.options.Namespace, f.temporal.namespace
	switch {
	case f.isMissing():
		return problem("there is no namespace "+name, "No binary works in it.",
			"temporal operator namespace create --namespace "+name+" --retention 168h, or correct TEMPORAL_NAMESPACE")
	case n.err != nil:
		return failed(n.err)
	case n.value.GetNamespaceInfo().GetState() != enums.NAMESPACE_STATE_REGISTERED:
		return problem(fmt.Sprintf("namespace %s is %s", name, n.value.GetNamespaceInfo().GetState()), "It takes no new orders.", "Set TEMPORAL_NAMESPACE to another one.")
	default:
		return ok("namespace %s exists", name)
	}
}

func searchAttributes(f *facts) Result {
	if r, unusable := f.namespaceResult(); unusable {
		return r
	}
	missing, lacks := errors.AsType[*temporalclient.AttributesError](f.temporal.attributes)
	switch {
	case lacks:
		return problem(missing.Error(), "Workers take no work, and starters start nothing.", missing.Repair())
	case f.temporal.attributes != nil:
		return failed(f.temporal.attributes)
	default:
		return ok("all exist, with their types")
	}
}

func retention(f *facts) Result {
	if r, unusable := f.namespaceResult(); unusable {
		return r
	}
	retained := f.temporal.namespace.value.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration()
	update := "temporal operator namespace update --namespace " + f.options.Namespace + " --retention "
	older := f.temporal.older
	switch {
	case retained < minRetention:
		return warning(fmt.Sprintf("closed workflows are kept for %s", hours(retained)),
			"An event that is delivered again later starts its order again, and reconcile cannot compare what has been forgotten.", update+"168h")
	case older.err != nil:
		return failed(older.err)
	case older.value > 0:
		return warning(fmt.Sprintf("open orders older than the %s for which closed workflows are kept: %d", hours(retained), older.value),
			"Earlier runs of these orders, and their closed settlements and emails, are forgotten while the orders are open: reconcile and the timeline lack them.",
			update+"DURATION, with more than the age of your oldest open order")
	default:
		return ok("closed workflows are kept for %s, and no open order is older", hours(retained))
	}
}

func hours(d time.Duration) string { return strconv.FormatFloat(d.Hours(), 'f', -1, 64) + "h" }

func (q polledQueue) String() string {
	return q.name + " (" + strings.ToLower(q.kind.String()) + ")"
}

func workers(f *facts) Result {
	if r, unusable := f.queuesResult(); unusable {
		return r
	}
	var idle []string
	for _, q := range f.temporal.queues.value {
		if q.unversioned == 0 && len(q.versions) == 0 {
			idle = append(idle, q.String())
		}
	}
	if len(idle) > 0 {
		return warning("no worker polls "+list(idle), "Its tasks wait.",
			"Start a worker; if one runs, compare its TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE, and look at its /readyz.")
	}
	return ok("workers poll every task queue")
}

// queuesResult returns the result of a check of task queues that could not be read.
func (f *facts) queuesResult() (Result, bool) {
	if r, unusable := f.namespaceResult(); unusable {
		return r, true
	}
	if err := f.temporal.queues.err; err != nil {
		return failed(err), true
	}
	return Result{}, false
}

func deployment(f *facts) Result {
	if r, unusable := f.queuesResult(); unusable {
		return r
	}
	for _, q := range f.temporal.queues.value {
		if r := q.routing(); r.Status != OK {
			return r
		}
	}
	if current := f.temporal.queues.value[0].current; current != "" {
		return ok("version %s is current, and has workers", current)
	}
	return ok("workers have no version, and no version is current")
}

// routing judges whether the workers of a queue are those that get its work.
func (q polledQueue) routing() Result {
	const command = "temporal worker deployment set-current-version --deployment-name %s --build-id %s"
	polls := map[string]bool{}
	for _, v := range q.versions {
		polls[v.String()] = true
	}
	switch {
	case q.current == "" && len(q.versions) > 0:
		v := q.versions[len(q.versions)-1]
		found := fmt.Sprintf("version %s polls %s, and no version is current", v, q)
		const why = "Workers of a version that is not current get no new work."
		if q.unversioned > 0 {
			return warning(found, why+" Workers without a version get it all.", fmt.Sprintf(command, v.deployment, v.buildID))
		}
		return problem(found, why, fmt.Sprintf(command, v.deployment, v.buildID))
	case q.current != "" && !polls[q.current] && q.unversioned+len(q.versions) > 0:
		return problem(fmt.Sprintf("version %s is current, and none of its workers polls %s", q.current, q), "Work waits for it.",
			"Start its workers, or make another version current: "+fmt.Sprintf(command, q.currentName, "ID"))
	case q.current != "" && q.unversioned > 0:
		return warning(fmt.Sprintf("workers without a version poll %s, and version %s is current", q, q.current), "They get no new work.",
			"Stop them, or give them TEMPORAL_DEPLOYMENT_NAME.")
	default:
		return ok("%s", q)
	}
}

func emailRate(f *facts) Result {
	if r, unusable := f.queuesResult(); unusable {
		return r
	}
	limit := f.temporal.emailLimit.value
	if limit == nil {
		rate := "RATE"
		if f.ses.account.err == nil && f.ses.account.value.MaxRate > 0 {
			rate = number(f.ses.account.value.MaxRate)
		}
		return warning("task queue "+workflows.EmailTaskQueue+" has no rate limit", "More emails than the SES account may send are throttled, each after a call to SES.",
			rateCommand(rate))
	}
	if limit.GetRequestsPerSecond() <= 0 {
		return problem("task queue "+workflows.EmailTaskQueue+" has a rate of 0", "No email is sent.", rateCommand("RATE"))
	}
	return ok("task queue %s is limited to %s emails per second", workflows.EmailTaskQueue, number(float64(limit.GetRequestsPerSecond())))
}

// fairness reports what can be observed of fairness, which no API of Temporal shows. Only
// a backlog shows that priorities work; with fairness they do.
func fairness(f *facts) Result {
	if r, unusable := f.queuesResult(); unusable {
		return r
	}
	for _, q := range f.temporal.queues.value {
		if q.prioritized {
			return notChecked("unknown: %s is dispatched by priority, and Temporal shows no client whether also by %s", q, temporalclient.FairnessSetting)
		}
	}
	return notChecked("unknown: Temporal shows no client whether %s is on", temporalclient.FairnessSetting)
}

// rateCommand returns the command that limits the email queue.
func rateCommand(rate string) string {
	return "temporal task-queue config set --task-queue " + workflows.EmailTaskQueue + " --task-queue-type activity --queue-rps-limit " + rate +
		` --queue-rps-limit-reason "SES account"`
}

func number(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

func stuck(f *facts) Result {
	if r, unusable := f.namespaceResult(); unusable {
		return r
	}
	n, err := f.temporal.stuck.value, f.temporal.stuck.err
	switch {
	case f.temporal.attributes != nil:
		return notChecked("there is no search attribute %s", workflows.StuckAttribute)
	case err != nil:
		return failed(err)
	case n > 0:
		return warning(fmt.Sprintf("orders that are stuck at a step: %d", n), "They cannot proceed until a cause is fixed.",
			`temporal workflow list --query 'OrderStuck IS NOT NULL AND ExecutionStatus = "Running"' names the step; the current details in the Web UI name the cause`)
	default:
		return ok("no order is stuck")
	}
}
