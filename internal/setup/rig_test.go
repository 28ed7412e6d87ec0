package setup_test

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"orderflow/dev/devserver"
	"orderflow/dev/devserver/devservertest"
	"orderflow/dev/kurrentsim"
	"orderflow/dev/kurrentsim/access"
	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/kurrent"
	"orderflow/internal/postgres"
	"orderflow/internal/setup"
	"orderflow/workflows"
)

// patience is how long anything that should happen may take on a busy machine.
const patience = 2 * time.Minute

// servers has the Temporal server. Roles belong to a cluster of PostgreSQL, so tests of
// them have one each.
var servers devservertest.Servers

func TestMain(m *testing.M) { servers.Main(m) }

func startCluster(t *testing.T) (superuser string) {
	t.Helper()
	cluster, err := devserver.StartPostgres(t.Context(), devserver.PostgresOptions{Dir: t.TempDir(), Fast: true})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, cluster.Stop(ctx))
	})
	return cluster.URL
}

// database is a connection of a superuser to the database that is set up.
type database struct {
	t    *testing.T
	url  string
	conn *pgx.Conn
}

func openDatabase(t *testing.T, superuser string) *database {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), superuser)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close(context.WithoutCancel(t.Context()))) })
	return &database{t: t, url: superuser, conn: conn}
}

func (d *database) exec(statements ...string) {
	d.t.Helper()
	for _, statement := range statements {
		_, err := d.conn.PgConn().Exec(d.t.Context(), statement).ReadAll()
		require.NoError(d.t, err, statement)
	}
}

// urlOf returns the URL of a database of the cluster for another user.
func (d *database) urlOf(user, password, name string) string {
	u, err := url.Parse(d.url)
	require.NoError(d.t, err)
	u.User, u.Path = url.UserPassword(user, password), "/"+name
	return u.String()
}

// catalog returns the rows of the catalog that a setup may change, with the transactions
// that wrote them.
func (d *database) catalog() string {
	d.t.Helper()
	var all strings.Builder
	for _, query := range []string{
		`SELECT concat_ws(' ', xmin, to_jsonb(r) - 'rolpassword') FROM pg_authid r WHERE rolname LIKE 'orderflow%' ORDER BY rolname`,
		`SELECT concat_ws(' ', xmin, relname, relacl) FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY relname`,
		`SELECT concat_ws(' ', xmin, attrelid::regclass, attname, attacl) FROM pg_attribute WHERE attacl IS NOT NULL ORDER BY attrelid, attname`,
		`SELECT concat_ws(' ', xmin, proname, proacl) FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY oid`,
		`SELECT concat_ws(' ', xmin, nspname, nspacl) FROM pg_namespace ORDER BY nspname`,
		`SELECT concat_ws(' ', xmin, to_jsonb(p)) FROM pg_publication p ORDER BY pubname`,
		`SELECT concat_ws(' ', xmin, to_jsonb(p)) FROM pg_publication_rel p ORDER BY oid`,
		`SELECT concat_ws(' ', slot_name, plugin, slot_type) FROM pg_replication_slots ORDER BY slot_name`,
	} {
		rows, err := d.conn.Query(d.t.Context(), query)
		require.NoError(d.t, err)
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(d.t, err)
		fmt.Fprintln(&all, strings.Join(lines, "\n"))
	}
	return all.String()
}

// options returns what to set up in the database of a URL, as its user.
func (d *database) options(url string) *setup.PostgresOptions {
	d.t.Helper()
	pool, err := postgres.Open(d.t.Context(), postgres.Config{URL: url, MaxConns: 3, OwnSessions: true})
	require.NoError(d.t, err)
	d.t.Cleanup(pool.Close)
	return &setup.PostgresOptions{Pool: pool, Slot: "orderflow"}
}

// eventStore is a KurrentDB with an administrator, an operator and the plain user
// starter.
type eventStore struct {
	t *testing.T
	*kurrentsimtest.Secure
}

const operator = "opal"

func startEventStore(t *testing.T) *eventStore {
	t.Helper()
	return &eventStore{t, kurrentsimtest.StartSecure(t, kurrentsim.Options{},
		kurrentsimtest.User("starter"), kurrentsimtest.User(operator, access.Operations))}
}

func groupSettings() kurrent.GroupSettings {
	return kurrent.GroupSettings{Stream: "$ce-order", Group: "fulfillment", MessageTimeout: 4 * time.Minute, BufferSize: 64}
}

func (e *eventStore) options(user string, grant ...string) *setup.KurrentDBOptions {
	e.t.Helper()
	events, err := kurrent.Open(kurrent.Config{URL: e.URLFor(user), CallTimeout: patience})
	require.NoError(e.t, err)
	e.t.Cleanup(events.Close)
	return &setup.KurrentDBOptions{Client: events, Group: groupSettings(), Grant: grant}
}

// count returns how many events the server has, including those of the groups.
func (e *eventStore) count() (n int) {
	e.t.Helper()
	found, err := kurrentsimtest.OfficialClient(e.t, e.URLFor(kurrentsimtest.Admin)).
		ReadAll(e.t.Context(), kurrentdb.ReadAllOptions{From: kurrentdb.Start{}}, math.MaxInt32)
	require.NoError(e.t, err)
	defer found.Close()
	for ; ; n++ {
		if _, err := found.Recv(); err != nil {
			return n
		}
	}
}

// deleteGroup deletes the starter's group.
func (e *eventStore) deleteGroup() {
	e.t.Helper()
	admin := kurrentsimtest.OfficialClient(e.t, e.URLFor(kurrentsimtest.Admin))
	require.NoError(e.t, admin.DeletePersistentSubscription(e.t.Context(), "$ce-order", "fulfillment",
		kurrentdb.DeletePersistentSubscriptionOptions{}))
}

// namespace is a namespace of its own on the shared Temporal server.
type namespace struct {
	client.Client
	t    *testing.T
	name string
}

// newNamespace registers a namespace, which the server may know everywhere a little
// later.
func newNamespace(t *testing.T) *namespace {
	t.Helper()
	n := &namespace{t: t, name: "setup-" + uuid.NewString()}
	n.Client = n.dial(nil)
	_, err := n.WorkflowService().RegisterNamespace(t.Context(), &workflowservice.RegisterNamespaceRequest{
		Namespace: n.name, WorkflowExecutionRetentionPeriod: durationpb.New(24 * time.Hour),
	})
	require.NoError(t, err)
	return n
}

// dial returns a client. Calls to the methods in refused fail with their code.
func (n *namespace) dial(refused map[string]codes.Code) client.Client {
	n.t.Helper()
	refuse := func(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, next grpc.UnaryInvoker, o ...grpc.CallOption) error {
		if code, ok := refused[method[strings.LastIndex(method, "/")+1:]]; ok {
			return status.Error(code, "Request unauthorized.")
		}
		return next(ctx, method, req, reply, conn, o...)
	}
	c, err := client.NewLazyClient(client.Options{
		HostPort: servers.Temporal(n.t), Namespace: n.name, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
		ConnectionOptions: client.ConnectionOptions{DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(refuse)}},
	})
	require.NoError(n.t, err)
	n.t.Cleanup(c.Close)
	return c
}

func (n *namespace) options() *setup.TemporalOptions {
	return &setup.TemporalOptions{Client: n.Client, Namespace: n.name, EmailRate: 14, Reconcile: setup.Reconcile{Every: time.Hour}}
}

// state returns what a setup may change in the namespace.
func (n *namespace) state() string {
	n.t.Helper()
	attributes, err := n.OperatorService().ListSearchAttributes(n.t.Context(), &operatorservice.ListSearchAttributesRequest{Namespace: n.name})
	require.NoError(n.t, err)
	queue, err := n.WorkflowService().DescribeTaskQueue(n.t.Context(), &workflowservice.DescribeTaskQueueRequest{
		Namespace: n.name, TaskQueue: &taskqueue.TaskQueue{Name: workflows.EmailTaskQueue},
		TaskQueueType: enums.TASK_QUEUE_TYPE_ACTIVITY, ReportConfig: true,
	})
	require.NoError(n.t, err)
	limit := queue.GetConfig().GetQueueRateLimit()
	schedule := ""
	described, err := n.ScheduleClient().GetHandle(n.t.Context(), workflows.ReconcileSchedule).Describe(n.t.Context())
	if err == nil {
		schedule = fmt.Sprint(described.Schedule.Spec.Intervals, described.Schedule.Policy, described.Info.LastUpdateAt)
	}
	return fmt.Sprint(schedule, attributes.GetCustomAttributes(), limit.GetRateLimit().GetRequestsPerSecond(), limit.GetMetadata().GetUpdateTime().AsTime())
}

func (n *namespace) remove(attributes ...string) {
	n.t.Helper()
	_, err := n.OperatorService().RemoveSearchAttributes(n.t.Context(), &operatorservice.RemoveSearchAttributesRequest{
		Namespace: n.name, SearchAttributes: attributes,
	})
	require.NoError(n.t, err)
	n.await(func(known string) bool {
		for _, name := range attributes {
			if strings.Contains(known, name) {
				return false
			}
		}
		return true
	})
}

func (n *namespace) add(name string, kind enums.IndexedValueType) {
	n.t.Helper()
	_, err := n.OperatorService().AddSearchAttributes(n.t.Context(), &operatorservice.AddSearchAttributesRequest{
		Namespace: n.name, SearchAttributes: map[string]enums.IndexedValueType{name: kind},
	})
	require.NoError(n.t, err)
	n.await(func(known string) bool { return strings.Contains(known, name) })
}

func (n *namespace) await(condition func(known string) bool) {
	n.t.Helper()
	require.Eventually(n.t, func() bool { return condition(n.state()) }, patience, 50*time.Millisecond)
}

// limit sets the rate of the email queue by hand.
func (n *namespace) limit(perSecond float32) {
	n.t.Helper()
	_, err := n.WorkflowService().UpdateTaskQueueConfig(n.t.Context(), &workflowservice.UpdateTaskQueueConfigRequest{
		Namespace: n.name, TaskQueue: workflows.EmailTaskQueue, TaskQueueType: enums.TASK_QUEUE_TYPE_ACTIVITY,
		UpdateQueueRateLimit: &workflowservice.UpdateTaskQueueConfigRequest_RateLimitUpdate{
			RateLimit: &taskqueue.RateLimit{RequestsPerSecond: perSecond},
		},
	})
	require.NoError(n.t, err)
}

// set runs a setup, and returns its report and its lines, `store, step: outcome: detail`.
func set(t *testing.T, o setup.Options) (*setup.Report, string) {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Wait == 0 {
		o.Wait = patience
	}
	report := setup.Run(t.Context(), o)
	var lines strings.Builder
	for _, s := range report.Steps {
		fmt.Fprintf(&lines, "%s, %s: %s: %s\n", s.Store, s.Step, s.Outcome, s.Detail)
	}
	return report, lines.String()
}

// todo returns everything that a report leaves to do, except passwords and what may be
// done.
func todo(report *setup.Report) (all []string) {
	for _, s := range report.Steps {
		if s.Step != "passwords" && s.Outcome != setup.Unknown {
			all = append(all, s.Todo...)
		}
	}
	return all
}
