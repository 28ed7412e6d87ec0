package e2e_test

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/grpc"

	"orderflow/activities"
	"orderflow/internal/credit"
	"orderflow/internal/email"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
	"orderflow/workflows"
)

// lane carries orders beside the stack's own worker, on task queues of its own and in this process, so that a test can
// stop an order wherever it is. Stores and server are the stack's. Nothing is cached between workflow tasks: each replays
// the whole history, so that an order that could not be replayed would not get far.
type lane struct {
	*shop
	queue  string
	gate   *gate
	hurry  time.Duration // what the workflow takes for a minute, zero: a minute
	metric *tally
}

// newLane starts a worker for the test. Its gate is shut unless the test opens it.
func newLane(t *testing.T, hurry time.Duration) *lane {
	t.Helper()
	l := &lane{shop: newShop(t), queue: "lane-" + uuid.NewString(), gate: newGate(), hurry: hurry, metric: newTally()}
	c, err := client.DialContext(t.Context(), client.Options{
		HostPort: l.stack.TemporalAddress, Logger: silent{}, MetricsHandler: l.metric,
		ConnectionOptions: client.ConnectionOptions{DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(l.gate.intercept)}},
	})
	require.NoError(t, err)
	do := l.activities()
	withoutCache()
	options := worker.Options{
		DisableEagerActivities: true, DisableRegistrationAliasing: true, Interceptors: []interceptor.WorkerInterceptor{&diversion{lane: l}},
		MaxConcurrentWorkflowTaskPollers: 2, MaxConcurrentActivityTaskPollers: 1,
	}
	orders := worker.New(c, l.queue, options)
	workflows.Register(orders)
	options.DisableWorkflowWorker = true
	mail := worker.New(c, l.mailQueue(), options)
	orders.RegisterActivity(do)
	mail.RegisterActivity(do)
	require.NoError(t, orders.Start())
	require.NoError(t, mail.Start())
	t.Cleanup(func() {
		l.gate.open()
		orders.Stop()
		mail.Stop()
		c.Close()
	})
	return l
}

const mailSuffix = "-mail"

func (l *lane) mailQueue() string { return l.queue + mailSuffix }

// withoutCache holds for every worker of this process; the SDK wants it called before the first one starts.
var withoutCache = sync.OnceFunc(func() { worker.SetStickyWorkflowCacheSize(0) })

// activities are the real ones on the stack's stores.
func (l *lane) activities() *activities.Activities {
	l.t.Helper()
	events, err := kurrent.Open(kurrent.Config{URL: l.stack.KurrentURL, AllowPlaintext: true, CallTimeout: patience})
	require.NoError(l.t, err)
	l.t.Cleanup(events.Close)
	store, err := postgres.Open(context.Background(), postgres.Config{
		URL: l.stack.PostgresURL, MaxConns: 4, CallTimeout: patience, Lease: time.Minute, Grace: time.Second,
	})
	require.NoError(l.t, err)
	l.t.Cleanup(store.Close)
	limits, err := credit.ParseLimits("10000.00")
	require.NoError(l.t, err)
	return &activities.Activities{
		Credit: kurrent.NewCreditAccounts(kurrent.CreditAccountsConfig{Client: events, Terms: credit.Terms{Limits: limits}}),
		Orders: events, Fulfillments: store, Published: events, Emails: store, Mailer: newPost(l.stack.SESURL), Meter: unmetered{},
		HoldFor: 30 * time.Minute,
	}
}

// begin starts an order in the lane before it is placed: the bridge, which is no part of this, finds it started.
func (l *lane) begin(b basket) *traveller {
	l.t.Helper()
	return l.beginAs(b, func(*workflows.Input) {})
}

// beginAs starts an order with another input than its body asks for.
func (l *lane) beginAs(b basket, spoil func(*workflows.Input)) *traveller {
	l.t.Helper()
	b = b.complete()
	body, err := json.Marshal(b.body())
	require.NoError(l.t, err)
	placed, err := order.DecodePlaced(b.id, "application/json", body)
	require.NoError(l.t, err)
	event := kurrentdb.EventData{EventID: uuid.New(), EventType: order.TypePlaced, ContentType: kurrentdb.ContentTypeJson, Data: body}
	in := workflows.Input{
		OrderID: b.id, CustomerID: placed.CustomerID, Total: placed.Total, PlacedAt: placed.PlacedAt,
		Source: order.Source{Stream: b.id, EventID: event.EventID.String()},
	}
	spoil(&in)
	_, err = l.temporal.ExecuteWorkflow(l.t.Context(), client.StartWorkflowOptions{
		ID: b.id, TaskQueue: l.queue, TypedSearchAttributes: in.SearchAttributes(),
		WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		Memo:                  map[string]any{workflows.MemoSourceEventID: in.Source.EventID},
	}, workflows.OrderFulfillmentType, in)
	require.NoError(l.t, err)
	_, err = l.events.AppendToStream(l.t.Context(), b.id, kurrentdb.AppendToStreamOptions{StreamState: kurrentdb.NoStream{}}, event)
	require.NoError(l.t, err)
	return &traveller{lane: l, id: b.id, customer: b.customer, held: map[queueKind]report{}}
}

// diversion sends mails to the lane's own queue, which is how a step of a mail is told from any other, and lets minutes
// pass faster.
type diversion struct {
	interceptor.WorkerInterceptorBase
	lane *lane
}

// InterceptWorkflow takes the place of what a workflow calls.
func (d *diversion) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	return &divertedIn{WorkflowInboundInterceptorBase: interceptor.WorkflowInboundInterceptorBase{Next: next}, lane: d.lane}
}

type divertedIn struct {
	interceptor.WorkflowInboundInterceptorBase
	lane *lane
}

// Init puts divertedOut in between.
func (d *divertedIn) Init(out interceptor.WorkflowOutboundInterceptor) error {
	return d.Next.Init(&divertedOut{WorkflowOutboundInterceptorBase: interceptor.WorkflowOutboundInterceptorBase{Next: out}, lane: d.lane})
}

type divertedOut struct {
	interceptor.WorkflowOutboundInterceptorBase
	lane *lane
}

// ExecuteActivity diverts mails.
func (d *divertedOut) ExecuteActivity(ctx workflow.Context, name string, args ...any) workflow.Future {
	if workflow.GetActivityOptions(ctx).TaskQueue == workflows.EmailTaskQueue {
		ctx = workflow.WithTaskQueue(ctx, d.lane.mailQueue())
	}
	return d.Next.ExecuteActivity(ctx, name, args...)
}

// NewTimerWithOptions shortens timers, of which every wait with an end has one.
func (d *divertedOut) NewTimerWithOptions(ctx workflow.Context, t time.Duration, o workflow.TimerOptions) workflow.Future {
	return d.Next.NewTimerWithOptions(ctx, d.hurried(t), o)
}

func (d *divertedOut) hurried(t time.Duration) time.Duration {
	if d.lane.hurry == 0 {
		return t
	}
	return t / time.Minute * d.lane.hurry
}

// post sends mails to the stack's inbox. The real mailer takes its address from the environment of its process, which the
// tests of this package share.
type post struct{ client *sesv2.Client }

func newPost(url string) post {
	return post{sesv2.New(sesv2.Options{
		BaseEndpoint: aws.String(url), Region: "us-east-1", Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})}
}

// Send hands one letter to the inbox.
func (p post) Send(ctx context.Context, letter email.Letter) (string, error) {
	text := &types.Content{Data: aws.String(string(letter.Kind))}
	headers := []types.MessageHeader{{Name: aws.String("X-Order-Id"), Value: aws.String(letter.OrderID)}}
	sent, err := p.client.SendEmail(ctx, &sesv2.SendEmailInput{
		FromEmailAddress: aws.String("orders@shop.example"), Destination: &types.Destination{ToAddresses: []string{letter.To}},
		Content:   &types.EmailContent{Simple: &types.Message{Subject: text, Body: &types.Body{Text: text}, Headers: headers}},
		EmailTags: []types.MessageTag{{Name: aws.String("kind"), Value: aws.String(string(letter.Kind))}},
	})
	if err != nil {
		return "", err
	}
	return aws.ToString(sent.MessageId), nil
}

type unmetered struct{}

// EmailSettled counts nothing.
func (unmetered) EmailSettled(email.Kind, email.Status) {}
