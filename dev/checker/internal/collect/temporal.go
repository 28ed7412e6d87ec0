package collect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/log"
	"golang.org/x/sync/errgroup"

	"orderflow/dev/checker/internal/facts"
)

const (
	historiesAtOnce = 8
	pageSize        = 500
	askTimeout      = 30 * time.Second
)

// temporal reads the history of every workflow. The visibility store is used only to list
// them.
func (r *reader) temporal(ctx context.Context) error {
	options, err := envconfig.LoadClientOptions(envconfig.LoadClientOptionsRequest{EnvLookup: environment(r.sources.Temporal)})
	if err != nil {
		return err
	}
	options.Logger = log.NewStructuredLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))
	if options.ConnectionOptions.DialOptions, err = decryption(r.sources.Temporal["PAYLOAD_KEYS_FILE"]); err != nil {
		return err
	}
	c, err := client.DialContext(ctx, options)
	if err != nil {
		return err
	}
	defer c.Close()
	runs, err := listRuns(ctx, c)
	if err != nil {
		return fmt.Errorf("list workflows: %w", err)
	}
	runs = append(runs, r.unlisted(runs)...)
	return r.histories(ctx, c, runs)
}

// environment provides Temporal's SDK with the variables that the checker received.
type environment map[string]string

// LookupEnv is os.LookupEnv.
func (e environment) LookupEnv(name string) (string, bool) {
	value, ok := e[name]
	return value, ok
}

// Environ is os.Environ.
func (e environment) Environ() []string {
	var list []string
	for name, value := range e {
		list = append(list, name+"="+value)
	}
	return list
}

// runKey identifies a run to read. Without a run id it is the latest run of the workflow,
// if there is any.
type runKey struct{ workflowID, runID string }

func listRuns(ctx context.Context, c client.Client) ([]runKey, error) {
	var runs []runKey
	request := &workflowservice.ListWorkflowExecutionsRequest{PageSize: pageSize}
	for {
		page, err := c.ListWorkflow(ctx, request)
		if err != nil {
			return nil, err
		}
		for _, info := range page.GetExecutions() {
			runs = append(runs, runKey{info.GetExecution().GetWorkflowId(), info.GetExecution().GetRunId()})
		}
		if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 {
			return runs, nil
		}
	}
}

// unlisted returns the orders whose workflow the visibility store may not know yet: they
// are queried by id.
func (r *reader) unlisted(listed []runKey) []runKey {
	known := map[string]bool{}
	for _, run := range listed {
		known[run.workflowID] = true
	}
	var more []runKey
	for id, o := range r.facts.Orders {
		if !known[id] && o.First() != nil {
			more = append(more, runKey{workflowID: id})
		}
	}
	return more
}

func (r *reader) histories(ctx context.Context, c client.Client, runs []runKey) error {
	var adding sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(historiesAtOnce)
	for _, key := range runs {
		group.Go(func() error {
			h, err := r.history(ctx, c, key)
			var notFound *serviceerror.NotFound
			switch {
			case errors.As(err, &notFound):
				return nil // never started, or deleted since it was listed
			case err != nil:
				return fmt.Errorf("%s: %w", key.workflowID, err)
			}
			adding.Lock()
			defer adding.Unlock()
			r.addRun(h)
			return nil
		})
	}
	return group.Wait()
}

func (r *reader) history(ctx context.Context, c client.Client, key runKey) (*history, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	h := &history{run: facts.Run{WorkflowID: key.workflowID, RunID: key.runID, Status: facts.RunOpen}}
	events := c.GetWorkflowHistory(ctx, key.workflowID, key.runID, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return nil, err
		}
		if err := h.take(event, r.markers); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// addRun adds a run to its order.
func (r *reader) addRun(h *history) {
	id := h.run.WorkflowID
	orderID := orderOf(h.workflowType, id)
	for _, leak := range h.leaks {
		r.facts.Leaks = append(r.facts.Leaks, facts.Leak{Where: "workflow history", Order: orderID, What: id + " " + leak})
	}
	switch h.workflowType {
	case "OrderFulfillment":
		o := r.facts.Order(id)
		o.Runs = append(o.Runs, h.run)
	case "OrderSettlement":
		o := r.facts.Order(orderID)
		o.Settlements = append(o.Settlements, h.run)
	case "OrderRepair":
		o := r.facts.Order(orderID)
		o.Repairs = append(o.Repairs, h.run)
	}
}

// orderOf returns the order id contained in a workflow id.
func orderOf(workflowType, id string) string {
	switch workflowType {
	case "OrderSettlement": // settlement-<order>-<revision>
		id = strings.TrimPrefix(id, "settlement-")
		return id[:max(0, strings.LastIndexByte(id, '-'))]
	case "OrderRepair":
		return strings.TrimPrefix(id, "repair-")
	case "OrderEmail": // email-<order>-<kind>
		id = strings.TrimPrefix(id, "email-")
		return id[:max(0, strings.LastIndexByte(id, '-'))]
	default:
		return id
	}
}
