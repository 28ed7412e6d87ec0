package e2e_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/failure/v1"
	"go.temporal.io/api/proxy"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"orderflow/internal/order"
)

// encryptedStack is a stack whose binaries have a key file.
type encryptedStack struct {
	*stackClient
	keys string
}

func newEncryptedStack(t *testing.T) *encryptedStack {
	t.Helper()
	e := &encryptedStack{keys: filepath.Join(t.TempDir(), "payload-keys")}
	addKey(t, e.keys, "first")
	own, err := startStack(t.TempDir(), []string{"PAYLOAD_KEYS_FILE=" + e.keys, "CREDIT_HOLD=30m"}, "--rate", "0")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, own.stop()) })
	e.stackClient = newStackClientFor(t, own)
	return e
}

func addKey(t *testing.T, path, id string) {
	t.Helper()
	require.NoError(t, prependKey(path, id))
}

// operate runs a command of orderflow with a key file, or without one, and returns its
// output. The exit code 3 says that it found something.
func (e *encryptedStack) operate(keys string, args ...string) string {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.t.Context(), patience)
	defer cancel()
	command := e.stack.command(ctx, "orderflow", args...)
	command.Env = append(command.Env, "PAYLOAD_KEYS_FILE="+keys)
	out, err := command.Output()
	if code := command.ProcessState.ExitCode(); code != 0 && code != 3 {
		require.NoError(e.t, err, "%s", out)
	}
	return string(out)
}

// stored is what the server has of all workflows.
type stored struct {
	keys  map[string]int // payloads by the id of their key
	plain []string       // payloads and failures that are not encrypted
	text  strings.Builder
}

func (e *encryptedStack) stored() *stored {
	e.t.Helper()
	all := &stored{keys: map[string]int{}}
	page, err := e.temporal.ListWorkflow(e.t.Context(), &workflowservice.ListWorkflowExecutionsRequest{PageSize: 1000})
	require.NoError(e.t, err)
	require.NotEmpty(e.t, page.GetExecutions())
	all.add(e.t, page)
	for _, execution := range page.GetExecutions() {
		all.add(e.t, &workflowservice.GetWorkflowExecutionHistoryResponse{History: e.history(execution.GetExecution().GetWorkflowId())})
	}
	return all
}

// add looks through a response of the server: proxy visits no other messages.
func (a *stored) add(t *testing.T, message proto.Message) {
	t.Helper()
	a.text.WriteString(protojson.Format(message))
	payloads := proxy.VisitPayloadsOptions{
		SkipSearchAttributes: true,
		Visitor: func(_ *proxy.VisitPayloadsContext, payloads []*common.Payload) ([]*common.Payload, error) {
			for _, p := range payloads {
				if string(p.GetMetadata()["encoding"]) == "binary/encrypted" {
					a.keys[string(p.GetMetadata()["encryption-key-id"])]++
				} else {
					a.plain = append(a.plain, p.String())
				}
			}
			return payloads, nil
		},
	}
	require.NoError(t, proxy.VisitPayloads(t.Context(), message, payloads))
	failures := proxy.VisitFailuresOptions{Visitor: func(_ *proxy.VisitFailuresContext, f *failure.Failure) error {
		if f.GetMessage() != "Encoded failure" || f.GetStackTrace() != "" {
			a.plain = append(a.plain, f.String())
		}
		return nil
	}}
	require.NoError(t, proxy.VisitFailures(t.Context(), message, failures))
}

// Orders take every course with encrypted payloads, while the key is rotated. Temporal has
// nothing in the clear that it does not need, and operators' commands work with the keys.
func TestEncryption(t *testing.T) {
	t.Parallel()
	e := newEncryptedStack(t)
	ids, _ := e.runScenarios()
	addKey(t, e.keys, "second")
	require.EventuallyWithT(t, func(c *assert.CollectT) { // a process has read it
		e.awaitMail(e.place(orderSpec{}), order.StatusFulfilling, "sent")
		require.Positive(c, e.stored().keys["second"])
	}, patience, 100*time.Millisecond)
	_, err := e.update(ids[scenarioFulfilling], "record-shipment", shipped)
	require.NoError(t, err)
	e.awaitMail(ids[scenarioFulfilling], order.StatusShipped, "sent")
	_, err = e.update(ids[scenarioOnHold], "approve-credit", `{"by":"op-1","note":""}`)
	require.NoError(t, err)
	e.awaitMail(ids[scenarioOnHold], order.StatusFulfilling, "sent")
	_, err = e.update(ids[scenarioShipped], "cancel-order", `{"reason":"customer-request"}`)
	require.Error(t, err)

	f := e.forceFailures()
	all := e.stored()
	require.Empty(t, all.plain)
	require.Positive(t, all.keys["first"])
	require.NotContains(t, strings.ToLower(all.text.String()), "canary")
	require.NotContains(t, all.text.String(), "Table Lamp")
	f.requireNoCanary()

	found := map[string]any{}
	require.NoError(t, json.Unmarshal([]byte(e.operate(e.keys, "reconcile", "-o", "json", "--grace", "0s")), &found))
	require.Zero(t, found["left"], "%v", found)
	require.Contains(t, e.operate(e.keys, "replay", "-o", "json"), `"failed": 0`)
}

// Without the keys, nothing is taken for something that it is not, and nothing changes.
func TestEncryption_OperatorWithoutKeys(t *testing.T) {
	t.Parallel()
	e := newEncryptedStack(t)
	ids, _ := e.runScenarios()
	before := e.effects()
	other := filepath.Join(t.TempDir(), "keys")
	addKey(t, other, "other")
	for _, keys := range []string{"", other} {
		e.operate(keys, "reconcile", "--fix", "-o", "json", "--grace", "0s")
		require.Equal(t, before, e.effects())
	}
	e.awaitOpen(3)
	e.awaitStatus(ids[scenarioFulfilling], order.StatusFulfilling)
}
