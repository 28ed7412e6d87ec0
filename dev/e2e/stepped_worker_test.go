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
	"orderflow/internal/streams"
	"orderflow/workflows"
)

// steppedWorker runs orders in this process, next to the stack's own worker and on its
// own task queues, so that a test can stop an order anywhere. It uses the stores and the
// server of the stack. Nothing is cached between workflow tasks: each task replays the
// whole history, so an order that cannot be replayed does not get far.
type steppedWorker struct {
	*stackClient
	queue    string
	gate     *pollGate
	hurry    time.Duration // duration of a workflow's minute; 0 means a minute
	metric   *metricsRecorder
	attempts localAttempts

	taskTimeout time.Duration // of the workflow tasks of its orders
	startDelay  time.Duration // of its orders, after which the server hands out their first task

	late    lateWrites
	placing sync.RWMutex // held for writing while an order is started and not yet placed
}

// newSteppedWorker starts a worker for the test, whose local attempts succeed. Its gate is
// shut until the test opens it.
func newSteppedWorker(t *testing.T, hurry time.Duration) *steppedWorker {
	t.Helper()
	l := steppedWorkerOn(newStackClient(t), attemptsSucceed)
	l.hurry = hurry
	return l.start()
}

// steppedWorkerOn returns a worker that has not been started.
func steppedWorkerOn(s *stackClient, attempts localAttempts) *steppedWorker {
	return &steppedWorker{
		stackClient: s, queue: "lane-" + uuid.NewString(), gate: newPollGate(), metric: newMetricsRecorder(),
		attempts: attempts, taskTimeout: maxTaskTimeout,
	}
}

// start starts the worker, until the end of the test.
func (l *steppedWorker) start() *steppedWorker {
	t := l.t
	t.Helper()
	clientOptions, err := l.stack.temporalOptions()
	require.NoError(t, err)
	clientOptions.MetricsHandler = l.metric
	clientOptions.ConnectionOptions.DialOptions = append(clientOptions.ConnectionOptions.DialOptions, grpc.WithChainUnaryInterceptor(l.gate.intercept))
	c, err := client.DialContext(t.Context(), clientOptions)
	require.NoError(t, err)
	do := l.activities()
	withoutCache()
	options := worker.Options{
		DisableEagerActivities: true, DisableRegistrationAliasing: true, Interceptors: []interceptor.WorkerInterceptor{&workflowInterceptor{worker: l}},
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

// maxTaskTimeout is the longest timeout that the server accepts for a workflow task, so
// that a test can hold up the local attempts in it.
const maxTaskTimeout = 2 * time.Minute

const mailSuffix = "-mail"

func (l *steppedWorker) mailQueue() string { return l.queue + mailSuffix }

// withoutCache affects every worker of this process. The SDK requires the call before the
// first worker starts.
var withoutCache = sync.OnceFunc(func() { worker.SetStickyWorkflowCacheSize(0) })

// activities returns the real activities on the stack's stores.
func (l *steppedWorker) activities() *activities.Activities {
	l.t.Helper()
	events, err := kurrent.Open(kurrent.Config{URL: l.stack.KurrentURL, AllowPlaintext: true, CallTimeout: patience})
	require.NoError(l.t, err)
	l.t.Cleanup(events.Close)
	pool, err := postgres.Open(context.Background(), postgres.Config{
		URL: l.stack.PostgresURL, MaxConns: 4, CallTimeout: patience,
	})
	require.NoError(l.t, err)
	l.t.Cleanup(pool.Close)
	rules := postgres.EmailRules{Lease: time.Minute, Grace: time.Second}
	limits, err := credit.ParseLimits("10000.00")
	require.NoError(l.t, err)
	return &activities.Activities{
		Credit: streams.NewCreditAccounts(streams.CreditAccountsConfig{Client: events, Terms: credit.Terms{Limits: limits}}),
		Orders: streams.Orders{Client: events}, Fulfillments: postgres.NewFulfillments(pool, rules),
		Published: streams.Fulfillments{Client: events}, Emails: postgres.NewEmailLedger(pool, rules), Mailer: newInboxMailer(l.stack.SESURL), Meter: unmetered{},
		HoldFor: 30 * time.Minute,
	}
}

// begin starts an order on this worker before it is placed: the bridge, which is not
// under test here, finds it started.
func (l *steppedWorker) begin(b orderSpec) *orderUnderTest {
	l.t.Helper()
	return l.beginAs(b, func(*workflows.Input) {})
}

// beginAs starts an order with an input that differs from its body.
func (l *steppedWorker) beginAs(b orderSpec, spoil func(*workflows.Input)) *orderUnderTest {
	l.t.Helper()
	b = b.complete()
	body, err := json.Marshal(b.body())
	require.NoError(l.t, err)
	placed, err := order.DecodePlaced(b.id, "application/json", body)
	require.NoError(l.t, err)
	event := kurrentdb.EventData{EventID: uuid.New(), EventType: order.TypePlaced, ContentType: kurrentdb.ContentTypeJson, Data: body}
	in := workflows.Input{
		OrderID: b.id, CustomerID: placed.CustomerID, Total: placed.Total, PlacedAt: placed.PlacedAt, WrittenAt: time.Now().UTC(),
		Source: order.Source{Stream: b.id, EventID: event.EventID.String()}, Rules: workflows.CurrentRules,
		TotalHidden: l.stack.environment[totalHidden] == "true",
	}
	spoil(&in)
	l.placing.Lock()
	defer l.placing.Unlock()
	_, err = l.temporal.ExecuteWorkflow(l.t.Context(), client.StartWorkflowOptions{
		ID: b.id, TaskQueue: l.queue, TypedSearchAttributes: in.SearchAttributes(), Priority: workflows.CustomerPriority(in.CustomerID),
		WorkflowTaskTimeout:   l.taskTimeout,
		StartDelay:            l.startDelay,
		StaticSummary:         in.Summary(),
		StaticDetails:         in.Details(),
		WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		Memo:                  map[string]any{workflows.MemoSourceEventID: in.Source.EventID},
	}, workflows.OrderFulfillmentType, in)
	require.NoError(l.t, err)
	_, err = l.events.AppendToStream(l.t.Context(), b.id, kurrentdb.AppendToStreamOptions{StreamState: kurrentdb.NoStream{}}, event)
	require.NoError(l.t, err)
	return &orderUnderTest{steppedWorker: l, id: b.id, customer: b.customer, held: map[queueKind]report{}}
}

// awaitPlaced waits until an order that was started is placed: with an open gate, an
// activity would find no event.
func (l *steppedWorker) awaitPlaced() {
	l.placing.RLock()
	defer l.placing.RUnlock()
}

// workflowInterceptor sends emails to the steppedWorker's own queue, which distinguishes
// email steps from all others, and shortens minutes.
type workflowInterceptor struct {
	interceptor.WorkerInterceptorBase
	worker *steppedWorker
}

// InterceptWorkflow intercepts the calls that a workflow makes.
func (d *workflowInterceptor) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	return &inboundInterceptor{WorkflowInboundInterceptorBase: interceptor.WorkflowInboundInterceptorBase{Next: next}, worker: d.worker}
}

type inboundInterceptor struct {
	interceptor.WorkflowInboundInterceptorBase
	worker *steppedWorker
}

// Init inserts an outboundInterceptor.
func (d *inboundInterceptor) Init(out interceptor.WorkflowOutboundInterceptor) error {
	return d.Next.Init(&outboundInterceptor{WorkflowOutboundInterceptorBase: interceptor.WorkflowOutboundInterceptorBase{Next: out}, worker: d.worker})
}

type outboundInterceptor struct {
	interceptor.WorkflowOutboundInterceptorBase
	worker *steppedWorker
}

// ExecuteActivity redirects emails.
func (d *outboundInterceptor) ExecuteActivity(ctx workflow.Context, name string, args ...any) workflow.Future {
	if workflow.GetActivityOptions(ctx).TaskQueue == workflows.EmailTaskQueue {
		ctx = workflow.WithTaskQueue(ctx, d.worker.mailQueue())
	}
	return d.Next.ExecuteActivity(ctx, name, args...)
}

// NewTimerWithOptions shortens timers. Every wait with a deadline has one.
func (d *outboundInterceptor) NewTimerWithOptions(ctx workflow.Context, t time.Duration, o workflow.TimerOptions) workflow.Future {
	return d.Next.NewTimerWithOptions(ctx, d.hurried(t), o)
}

func (d *outboundInterceptor) hurried(t time.Duration) time.Duration {
	if d.worker.hurry == 0 {
		return t
	}
	return t / time.Minute * d.worker.hurry
}

// inboxMailer sends emails to the stack's inbox. The real mailer takes its address from
// the environment of its process, which the tests of this package share.
type inboxMailer struct{ client *sesv2.Client }

func newInboxMailer(url string) inboxMailer {
	return inboxMailer{sesv2.New(sesv2.Options{
		BaseEndpoint: aws.String(url), Region: "us-east-1", Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})}
}

// Send delivers one letter to the inbox.
func (p inboxMailer) Send(ctx context.Context, letter email.Letter) (string, error) {
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

// EmailSettled does nothing.
func (unmetered) EmailSettled(email.Kind, email.Status) {}
