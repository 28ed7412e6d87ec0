package main

import (
	"context"
	"log/slog"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"orderflow/internal/access"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
	"orderflow/internal/tracing"
	"orderflow/workflows"
)

// api serves requests from the stores and the workflows.
type api struct {
	streams   orderStreams
	accounts  creditAccounts
	rows      fulfillments
	workflows orderWorkflows
	search    *operations
	view      orderViews
	lists     orderLists
	live      *liveStreams
	lag       *lagMeter
	links     links
	traces    *tracing.Traces // nil: no tracing
	tokens    *access.Tokens  // authenticate callers; nil: every process on this machine is accepted
	limit     *rateLimit      // of each token
	codec     *codecServer    // nil: payloads are not encrypted
	observe   observer
	logger    *slog.Logger
	now       func() time.Time

	updateWait time.Duration // how long a request waits for the effect of its message
}

// fulfillments finds the state of an order in its row. The real one is postgres.Fulfillments.
type fulfillments interface {
	FindState(ctx context.Context, orderID string) (order.State, error)
}

// creditAccounts opens accounts and changes their limits. The real one is
// streams.CreditAccounts.
type creditAccounts interface {
	Open(ctx context.Context, customerID string, limit order.Money) (opened bool, err error)
	ChangeLimit(ctx context.Context, customerID string, limit order.Money) (changed bool, err error)
}

// orderWorkflows updates, describes and queries the workflow of an order. The real one is
// Temporal's client.
type orderWorkflows interface {
	UpdateWorkflow(ctx context.Context, options client.UpdateWorkflowOptions) (client.WorkflowUpdateHandle, error)
	DescribeWorkflow(ctx context.Context, workflowID, runID string) (*client.WorkflowExecutionDescription, error)
	QueryWorkflow(ctx context.Context, workflowID, runID, queryType string, args ...any) (converter.EncodedValue, error)
}

// orderViews reads the views that the projector maintains, and the emails. The real one
// is postgres.CustomerView.
type orderViews interface {
	FindCustomer(ctx context.Context, customerID string, recent int) (postgres.ViewCustomer, error)
	FindOrder(ctx context.Context, orderID string) (postgres.ViewOrder, error)
	Position(ctx context.Context, p postgres.Projection) (postgres.ViewPosition, error)
}

// orderLists reads lists of orders and figures about all of them. The real one is
// postgres.CustomerView.
type orderLists interface {
	ListOrders(ctx context.Context, f postgres.OrderFilter, limit int) (postgres.OrderPage, error)
	OrderStats(ctx context.Context, from, through time.Time) (postgres.OrderStats, error)
	FindAttention(ctx context.Context, limit, counted int) (postgres.Attention, error)
}

// route is what a pattern leads to.
type route struct {
	role   access.Role // that a token needs; empty: any token
	action string      // its name in the audit; empty: not audited
	handle handle
	stream bool // its response has no time limit
}

// routes returns every route. openapi.yaml describes exactly these.
func (a *api) routes() map[string]route {
	return map[string]route{
		"POST /orders":                      {role: access.Place, handle: a.postOrder},
		"GET /orders":                       {role: access.Read, handle: a.listOrders},
		"GET /orders/stats":                 {role: access.Read, handle: a.getOrderStats},
		"GET /orders/{id}":                  {role: access.Read, handle: a.getOrder},
		"POST /orders/{id}/cancel":          {role: access.Operate, action: cancelAction, handle: a.cancelOrder},
		"POST /orders/{id}/shipments":       {role: access.Operate, action: workflows.RecordShipmentMessage, handle: a.postShipment},
		"POST /orders/{id}/credit-approval": {role: access.Credit, action: workflows.ApproveCreditMessage, handle: a.postCreditApproval},
		"POST /orders/{id}/credit-refusal":  {role: access.Credit, action: workflows.DeclineCreditMessage, handle: a.postCreditRefusal},
		"POST /customers":                   {role: access.Credit, action: "open-account", handle: a.postCustomer},
		"GET /customers/{id}":               {role: access.Read, handle: a.getCustomer},
		"PUT /customers/{id}/credit-limit":  {role: access.Credit, action: "change-limit", handle: a.putCreditLimit},
		"GET /openapi.yaml":                 {handle: getDocument},
		"GET /{$}":                          {role: access.Read, handle: a.getPage},
		"GET /list":                         {role: access.Read, handle: a.getListPage},
		"GET /actions/{action}":             {role: access.Read, handle: a.getActionPage},
		"POST /actions/{action}":            {action: pageAction, handle: a.postAction}, // the action names the role
		livePattern:                         {role: access.Read, handle: a.getLive, stream: true},
		"GET /page.js":                      {handle: getScript},
		"GET /style.css":                    {handle: getStyle},
	}
}
