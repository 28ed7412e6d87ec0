package e2e_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/proxy"
	"go.temporal.io/api/sdk/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"orderflow/internal/payloadcodec"
	"orderflow/workflows"
)

// canaries are the personal data of orderSpec, in lower case: a part of each name and
// address, the telephone number, and what was ordered.
var canaries = []string{"canary", "555-0100", "table lamp"}

// canaryIn returns the first canary in a text, or an empty string.
func canaryIn(text string) string {
	lower := strings.ToLower(text)
	i := slices.IndexFunc(canaries, func(canary string) bool { return strings.Contains(lower, canary) })
	if i < 0 {
		return ""
	}
	return canaries[i]
}

// canarySearch looks for personal data wherever a stack must not have it.
type canarySearch struct {
	ctx      context.Context
	stack    *stack
	temporal client.Client
	codec    *payloadcodec.Codec // nil if payloads are not encrypted
	found    []string            // where, with the text around it
	searched map[string]int      // texts by their source
}

// searchCanaries searches everything that Temporal stores, also what is encrypted there,
// and the logs and metrics of all processes.
func searchCanaries(ctx context.Context, s *stack) (*canarySearch, error) {
	c := &canarySearch{ctx: ctx, stack: s, searched: map[string]int{}}
	options, err := s.temporalOptions()
	if err != nil {
		return nil, err
	}
	if path := s.environment["PAYLOAD_KEYS_FILE"]; path != "" {
		keys, err := payloadcodec.OpenKeys(path, slog.New(slog.DiscardHandler))
		if err != nil {
			return nil, err
		}
		codec := payloadcodec.New(keys)
		c.codec = &codec
	}
	if c.temporal, err = client.DialContext(ctx, options); err != nil {
		return nil, err
	}
	defer c.temporal.Close()
	for _, search := range []func() error{c.searchWorkflows, c.searchLogs, c.searchMetrics} {
		if err := search(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// look searches one text.
func (c *canarySearch) look(source, where, text string) {
	c.searched[source]++
	canary := canaryIn(text)
	if canary == "" {
		return
	}
	at := strings.Index(strings.ToLower(text), canary)
	c.found = append(c.found, fmt.Sprintf("%s, %s: …%.300s", source, where, text[max(0, at-150):]))
}

func (c *canarySearch) searchWorkflows() error {
	var next []byte
	for {
		page, err := c.temporal.ListWorkflow(c.ctx, &workflowservice.ListWorkflowExecutionsRequest{PageSize: 200, NextPageToken: next})
		if err != nil {
			return err
		}
		for _, execution := range page.GetExecutions() {
			if err := c.searchWorkflow(execution); err != nil {
				return fmt.Errorf("%s: %w", execution.GetExecution().GetWorkflowId(), err)
			}
		}
		if next = page.GetNextPageToken(); len(next) == 0 {
			return nil
		}
	}
}

// searchWorkflow searches what the server shows of a run: the entry of the list, with memo
// and search attributes, the description, with pending activities and the summary, the
// history, and what the worker says about an open one.
func (c *canarySearch) searchWorkflow(listed *workflow.WorkflowExecutionInfo) error {
	id, run := listed.GetExecution().GetWorkflowId(), listed.GetExecution().GetRunId()
	described, err := c.temporal.DescribeWorkflow(c.ctx, id, run)
	if err != nil {
		return err
	}
	history := &historypb.History{}
	events := c.temporal.GetWorkflowHistory(c.ctx, id, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return err
		}
		history.Events = append(history.Events, event)
	}
	for source, message := range map[string]proto.Message{
		"visibility":    &workflowservice.ListWorkflowExecutionsResponse{Executions: []*workflow.WorkflowExecutionInfo{listed}},
		"mutable state": described.RawResponse, "history": &workflowservice.GetWorkflowExecutionHistoryResponse{History: history},
	} {
		if err := c.searchMessage(source, id, message); err != nil {
			return err
		}
	}
	if listed.GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING && listed.GetTaskQueue() == workflows.TaskQueue { // other workers may be gone
		if value, err := c.temporal.QueryWorkflow(c.ctx, id, run, "__temporal_workflow_metadata"); err == nil {
			metadata := &sdk.WorkflowMetadata{}
			if err := value.Get(metadata); err != nil {
				return err
			}
			c.look("current details", id, metadata.String())
		}
	}
	return nil
}

// searchMessage searches a message of the server with its payloads in the clear.
func (c *canarySearch) searchMessage(source, id string, message proto.Message) error {
	c.look(source, id, protojson.Format(message))
	visit := proxy.VisitPayloadsOptions{Visitor: func(_ *proxy.VisitPayloadsContext, payloads []*common.Payload) ([]*common.Payload, error) {
		clear := payloads
		if c.codec != nil {
			var err error
			if clear, err = c.codec.Decode(payloads); err != nil {
				return nil, err
			}
		}
		for _, payload := range clear {
			c.look("payloads of "+source, id, string(payload.GetData()))
		}
		return payloads, nil
	}}
	return proxy.VisitPayloads(c.ctx, message, visit)
}

// logs returns the logs of all processes by their names.
func (c *canarySearch) logs() (map[string]string, error) {
	var all []string
	for _, pattern := range []string{"log/*.log*", "postgres/*.log"} {
		found, err := filepath.Glob(filepath.Join(c.stack.dir, pattern))
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	logs := map[string]string{}
	for _, path := range all {
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		logs[strings.TrimSuffix(filepath.Base(path), ".log")] = string(content)
	}
	return logs, nil
}

func (c *canarySearch) searchLogs() error {
	logs, err := c.logs()
	for process, log := range logs {
		c.look("log", process, log)
	}
	return err
}

var servesOperations = regexp.MustCompile(`msg="serving operations".* address=(\S+)`)

func (c *canarySearch) searchMetrics() error {
	logs, err := c.logs()
	if err != nil {
		return err
	}
	for process, log := range logs {
		served := servesOperations.FindAllStringSubmatch(log, -1)
		if len(served) == 0 {
			continue
		}
		newest := served[len(served)-1][1] // the log may have earlier starts
		response, err := http.Get("http://" + newest + "/metrics")
		if err != nil {
			return err
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil {
			return err
		}
		c.look("metrics", process, string(body))
	}
	return nil
}
