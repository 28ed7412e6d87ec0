package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"orderflow/internal/order"
)

// patience is how long anything may take on a busy machine.
const patience = 5 * time.Minute

// stackClient places orders in a stack and reads every store with that store's own
// client.
type stackClient struct {
	t        *testing.T
	stack    *stack
	temporal client.Client
	events   *kurrentdb.Client
	database *pgx.Conn
}

func newStackClient(t *testing.T) *stackClient {
	t.Helper()
	return newStackClientFor(t, sharedStack(t))
}

// orderSpec is one order to place. Its name and address are markers of personal data:
// they must not appear where personal data is not allowed.
type orderSpec struct {
	id, customer, price, email string
}

// complete sets the fields that a test left empty.
func (b orderSpec) complete() orderSpec {
	if b.id == "" {
		b.id = "order-" + strings.ReplaceAll(uuid.NewString(), "-", "")
	}
	if b.customer == "" {
		b.customer = "customer-" + uuid.NewString()
	}
	if b.price == "" {
		b.price = "USD100.00"
	}
	if b.email == "" {
		b.email = "canary.person@example.com"
	}
	return b
}

func (b orderSpec) body() map[string]any {
	return map[string]any{
		"orderId": b.id, "customerId": b.customer, "at": "2025-01-01T01:11:30.976938+00:00",
		"lineItems": []map[string]any{{
			"productId": "3906362089844", "productName": "Table Lamp", "quantity": 2, "pricePerUnit": b.price, "taxRate": 0.21,
		}},
		"shipping": map[string]any{
			"recipient": map[string]any{"title": "Dr.", "fullName": "Canary Person", "emailAddress": b.email, "phoneNumber": "555-0100"},
			"address":   map[string]any{"country": "NL", "lines": []string{"Canary Street 1", "Utrecht"}}, "method": "express",
		},
		"billing": map[string]any{"recipient": map[string]any{"fullName": "Canary Person", "emailAddress": b.email}},
	}
}

// place appends an order and returns its id.
func (s *stackClient) place(b orderSpec) string {
	s.t.Helper()
	b = b.complete()
	s.append(b.id, "order-placed", b.body())
	return b.id
}

func (s *stackClient) append(stream, eventType string, data any) {
	s.t.Helper()
	body, err := json.Marshal(data)
	require.NoError(s.t, err)
	_, err = s.events.AppendToStream(s.t.Context(), stream, kurrentdb.AppendToStreamOptions{}, kurrentdb.EventData{
		EventID: uuid.New(), EventType: eventType, ContentType: kurrentdb.ContentTypeJson, Data: body,
	})
	require.NoError(s.t, err)
}

// await waits until the order's state is as wanted, and returns it.
func (s *stackClient) await(id string, want func(order.State) bool) order.State {
	s.t.Helper()
	var state order.State
	require.EventuallyWithT(s.t, func(c *assert.CollectT) {
		state = order.State{}
		value, err := s.temporal.QueryWorkflow(s.t.Context(), id, "", "status")
		if assert.NoError(c, err) && assert.NoError(c, value.Get(&state)) {
			assert.True(c, want(state), "%+v", state)
		}
	}, patience, 50*time.Millisecond)
	return state
}

func (s *stackClient) awaitStatus(id string, status order.Status) order.State {
	s.t.Helper()
	return s.await(id, func(state order.State) bool { return state.Status == status })
}

func (s *stackClient) awaitMail(id string, status order.Status, mail string) order.State {
	s.t.Helper()
	return s.await(id, func(state order.State) bool { return state.Status == status && state.Email == mail })
}

// awaitListed waits until visibility lists n workflows for a query.
func (s *stackClient) awaitListed(query string, n int64) {
	s.t.Helper()
	require.EventuallyWithT(s.t, func(c *assert.CollectT) {
		answer, err := s.temporal.CountWorkflow(s.t.Context(), &workflowservice.CountWorkflowExecutionsRequest{Namespace: "default", Query: query})
		if assert.NoError(c, err) {
			assert.GreaterOrEqual(c, answer.GetCount(), n)
		}
	}, patience, 50*time.Millisecond)
}

// update sends an update as the CLI would, and returns the resulting state.
func (s *stackClient) update(id, name, message string) (order.State, error) {
	s.t.Helper()
	handle, err := s.temporal.UpdateWorkflow(s.t.Context(), client.UpdateWorkflowOptions{
		WorkflowID: id, UpdateName: name, Args: []any{json.RawMessage(message)}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err != nil {
		return order.State{}, err
	}
	var state order.State
	return state, handle.Get(s.t.Context(), &state)
}

func (s *stackClient) signal(id, name, message string) {
	s.t.Helper()
	require.NoError(s.t, s.temporal.SignalWorkflow(s.t.Context(), id, "", name, json.RawMessage(message)))
}

// closed waits for the end of the workflow and returns its status.
func (s *stackClient) closed(id string) enums.WorkflowExecutionStatus {
	s.t.Helper()
	var status enums.WorkflowExecutionStatus
	require.EventuallyWithT(s.t, func(c *assert.CollectT) {
		description, err := s.temporal.DescribeWorkflow(s.t.Context(), id, "")
		if assert.NoError(c, err) {
			status = description.RawResponse.GetWorkflowExecutionInfo().GetStatus()
			assert.NotEqual(c, enums.WORKFLOW_EXECUTION_STATUS_RUNNING, status)
		}
	}, patience, 50*time.Millisecond)
	return status
}

func (s *stackClient) history(id string) *historypb.History {
	s.t.Helper()
	history := &historypb.History{}
	events := s.temporal.GetWorkflowHistory(s.t.Context(), id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		require.NoError(s.t, err)
		history.Events = append(history.Events, event)
	}
	return history
}

// credit returns the events of a customer's account, one line per event.
func (s *stackClient) credit(customer string) []string {
	s.t.Helper()
	stream, err := s.events.ReadStream(s.t.Context(), "credit-"+customer, kurrentdb.ReadStreamOptions{From: kurrentdb.Start{}}, 100)
	require.NoError(s.t, err)
	defer stream.Close()
	var lines []string
	for {
		event, err := stream.Recv()
		if err != nil {
			return lines
		}
		lines = append(lines, event.Event.EventType)
	}
}

// row returns columns of the order's fulfillment row, as text.
func (s *stackClient) row(id string, columns ...string) []string {
	s.t.Helper()
	values := make([]string, len(columns))
	into := make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
		columns[i] = fmt.Sprintf("coalesce(%s::text, '')", columns[i])
	}
	query := "SELECT " + strings.Join(columns, ", ") + " FROM order_fulfillment WHERE order_id = $1"
	require.NoError(s.t, s.database.QueryRow(s.t.Context(), query, id).Scan(into...))
	return values
}

// versions returns the types of the order's fulfillment history.
func (s *stackClient) versions(id string) []string {
	s.t.Helper()
	rows, err := s.database.Query(s.t.Context(), "SELECT event_type FROM order_fulfillment_history WHERE order_id = $1 ORDER BY revision", id)
	require.NoError(s.t, err)
	types, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(s.t, err)
	return types
}

type mail struct {
	To, Subject, Text, HTML string
	Tags                    map[string]string
}

// mails returns the emails that arrived for an order.
func (s *stackClient) mails(id string) []mail {
	s.t.Helper()
	response, err := http.Get(s.stack.SESURL + "/messages?orderId=" + id)
	require.NoError(s.t, err)
	defer response.Body.Close()
	var all []mail
	require.NoError(s.t, json.NewDecoder(response.Body).Decode(&all))
	return all
}

func kinds(mails []mail) []string {
	var kinds []string
	for _, m := range mails {
		kinds = append(kinds, m.Tags["kind"])
	}
	return kinds
}

func (s *stackClient) fault(body string) {
	s.t.Helper()
	response, err := http.Post(s.stack.SESURL+"/faults", "application/json", strings.NewReader(body))
	require.NoError(s.t, err)
	defer response.Body.Close()
	require.Less(s.t, response.StatusCode, 300)
}

type silent struct{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}
