package setup_test

import (
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/setup"
)

// stores are all stores, to be set up by their administrators.
type stores struct {
	t  *testing.T
	db *database
	es *eventStore
	ns *namespace
	o  setup.Options
}

func startStores(t *testing.T) *stores {
	t.Helper()
	s := &stores{t: t, db: openDatabase(t, startCluster(t)), es: startEventStore(t), ns: newNamespace(t)}
	s.o = s.options()
	return s
}

func (s *stores) options() setup.Options {
	return setup.Options{
		Postgres: s.db.options(s.db.url), KurrentDB: s.es.options(kurrentsimtest.Admin, "starter"), Temporal: s.ns.options(),
	}
}

// state returns everything that a setup may change.
func (s *stores) state() []any { return []any{s.db.catalog(), s.es.count(), s.ns.state()} }

// dryRun runs a dry run, requires that it changed nothing, and returns its report.
func (s *stores) dryRun() (*setup.Report, string) {
	s.t.Helper()
	before := s.state()
	o := s.o
	o.DryRun = true
	report, lines := set(s.t, o)
	require.Equal(s.t, before, s.state(), "a dry run changes nothing")
	require.Zero(s.t, report.Count(setup.Created, setup.Changed, setup.Failed), lines)
	return report, lines
}

func TestRun_HiddenTotal(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	o := setup.Options{Temporal: ns.options()}
	o.Temporal.TotalHidden = true
	for _, outcome := range []setup.Outcome{setup.Created, setup.AlreadyThere} {
		_, lines := set(t, o)
		require.Contains(t, lines, "temporal, search attribute OrderStatus: "+string(outcome))
		require.NotContains(t, lines, "OrderTotalMinor")
	}
	o.Temporal.TotalHidden = false
	_, lines := set(t, o)
	require.Contains(t, lines, "temporal, search attribute OrderTotalMinor: created: Int\n")
}

// schemaVersion returns the version that the migrations lead to, which is their number.
func schemaVersion(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("../postgres/migrations/*.sql")
	require.NoError(t, err)
	return strconv.Itoa(len(files))
}

func TestRun(t *testing.T) {
	t.Parallel()
	s := startStores(t)

	dry, lines := s.dryRun()
	require.Contains(t, lines, "postgres, schema: would create: version "+schemaVersion(t)+"\n")
	require.Contains(t, lines, "postgres, grants orderflow_worker: would create: after the role\n")
	require.Contains(t, lines, "postgres, slot orderflow: would create: after the schema\n")
	require.Contains(t, lines, "kurrentdb, group fulfillment on $ce-order: would create: \n")
	require.Contains(t, lines, "temporal, search attribute OrderTotalMinor: would create: Int\n")
	require.Contains(t, lines, "temporal, rate of order-email: would change: from unlimited to 14 per second\n")
	require.Contains(t, lines, "temporal, schedule reconcile: would create: all orders every 1h0m0s\n")

	report, lines := set(t, s.o)
	require.Zero(t, report.Count(setup.Failed, setup.Refused, setup.Skipped), lines)
	require.Equal(t, 1, report.Count(setup.Left), lines)
	require.Contains(t, lines, "postgres, passwords: left: there is none for orderflow_api, orderflow_projector, orderflow_publisher, "+
		"orderflow_reconcile, orderflow_worker\n")
	require.Contains(t, lines, "postgres, role orderflow_worker: created: LOGIN, the role\n")
	require.Contains(t, lines, "postgres, grants orderflow_worker: created: 17 rights\n")
	require.Contains(t, lines, "kurrentdb, rights of starter: created: [$r] on $ce-order, [$r $mr $mw] on ")
	require.Contains(t, lines, "temporal, rate of order-email: changed: from unlimited to 14 per second\n")
	require.Contains(t, lines, "temporal, fairness of task queues: unknown: ")
	require.Contains(t, report.Steps[len(report.Steps)-1].Todo[0], `matching.enableFairness: [{value: true, constraints: {namespace: "`+s.ns.name+`"}}] # `)
	require.Len(t, report.Steps, len(dry.Steps), "a dry run has the same steps")

	before := s.state()
	report, lines = set(t, s.o)
	require.Equal(t, len(report.Steps)-1, report.Count(setup.AlreadyThere, setup.Unknown), lines)
	require.Equal(t, before, s.state(), "a second run changes nothing")

	for _, role := range []string{"worker", "api", "projector", "publisher", "reconcile"} {
		s.db.exec("ALTER ROLE orderflow_" + role + " PASSWORD 'secret'")
	}
	for _, c := range repairs(s) {
		t.Run("repairs "+c.name, func(t *testing.T) {
			s.t, s.db.t, s.es.t, s.ns.t = t, t, t, t
			c.undo()
			_, lines := s.dryRun()
			for _, want := range c.want {
				require.Contains(t, lines, want.step+": would "+want.would)
			}
			report, lines := set(t, s.o)
			require.Equal(t, len(c.want), report.Count(setup.Created, setup.Changed), lines)
			for _, want := range c.want {
				require.Contains(t, lines, want.step+": "+want.did)
			}
			report, lines = s.dryRun()
			require.Equal(t, len(report.Steps), report.Count(setup.AlreadyThere, setup.Unknown), lines)
		})
	}
	s.t, s.db.t, s.es.t, s.ns.t = t, t, t, t
}

// repaired is a step that is expected to be done again.
type repaired struct{ step, would, did string }

type repair struct {
	name string
	undo func()
	want []repaired
}

func repairs(s *stores) []repair {
	sql := func(statements ...string) func() { return func() { s.db.exec(statements...) } }
	publication := []repaired{{"postgres, publication", "change", "changed"}}
	return []repair{
		{"a right that was revoked", sql("REVOKE SELECT, UPDATE ON email_delivery FROM orderflow_worker"), []repaired{
			{"postgres, grants orderflow_worker", "create: SELECT on", "created: SELECT on email_delivery, UPDATE on email_delivery\n"},
		}},
		{"a right on a column", sql("REVOKE SELECT (status) ON order_fulfillment FROM orderflow_reconcile"), []repaired{
			{"postgres, grants orderflow_reconcile", "create", "created: SELECT (status) on order_fulfillment\n"},
		}},
		{"a role that was replaced", sql("DROP OWNED BY orderflow_api", "DROP ROLE orderflow_api", "CREATE ROLE orderflow_api PASSWORD 'secret' LOGIN"),
			[]repaired{{"postgres, grants orderflow_api", "create", "created: "}}},
		{"a role that may no longer replicate", sql("ALTER ROLE orderflow_publisher NOREPLICATION"), []repaired{
			{"postgres, replication orderflow_publisher", "change", "changed: from NOREPLICATION to REPLICATION\n"},
		}},
		{"a publication of another table", sql("ALTER PUBLICATION orderflow SET TABLE order_fulfillment"), publication},
		{"a publication with a filter", sql("ALTER PUBLICATION orderflow SET TABLE order_fulfillment_history WHERE (id > 7)"), publication},
		{"a publication of some columns", sql("ALTER PUBLICATION orderflow SET TABLE order_fulfillment_history (id)"), publication},
		{"a publication without inserts", sql("ALTER PUBLICATION orderflow SET (publish = 'truncate')"), publication},
		{"a publication that was dropped", sql("DROP PUBLICATION orderflow"), []repaired{{"postgres, publication", "create", "created"}}},
		{"a slot that was dropped", sql("SELECT pg_drop_replication_slot('orderflow')"), []repaired{
			{"postgres, slot orderflow", "create", "created"},
		}},
		{"a group that was deleted, and the rights on its parked stream", s.es.deleteGroup, []repaired{
			{"kurrentdb, group fulfillment on $ce-order", "create", "created"},
			{"kurrentdb, rights of starter", "create: [$r $mr $mw] on ", "created: [$r $mr $mw] on "},
		}},
		{"another rate", func() { s.ns.limit(3) }, []repaired{
			{"temporal, rate of order-email", "change: from 3 per second", "changed: from 3 per second to 14 per second\n"},
		}},
		{"a schedule that was deleted", s.ns.unschedule, []repaired{
			{"temporal, schedule reconcile", "create: all orders every 1h0m0s", "created: all orders every 1h0m0s\n"},
		}},
		{"a schedule with other settings", s.ns.reschedule, []repaired{
			{"temporal, schedule reconcile", "change: from the orders of 24h0m0s, with repairs every 2h0m0s", "changed: from the orders of 24h0m0s, with repairs every 2h0m0s to all orders every 1h0m0s\n"},
		}},
		{"a search attribute that was removed", func() { s.ns.remove("OrderStatus") }, []repaired{
			{"temporal, search attribute OrderStatus", "create: Keyword", "created: Keyword\n"},
		}},
	}
}

func TestRun_SeveralAtOnce(t *testing.T) {
	t.Parallel()
	s := startStores(t)
	const several = 3
	var all sync.WaitGroup
	lines := make([]string, several)
	reports := make([]*setup.Report, several)
	for i := range several {
		o := s.options()
		all.Go(func() { reports[i], lines[i] = set(t, o) })
	}
	all.Wait()
	for i := range several {
		require.Zero(t, reports[i].Count(setup.Failed, setup.Refused, setup.Skipped), lines[i])
	}
	report, after := s.dryRun()
	require.Equal(t, len(report.Steps)-1, report.Count(setup.AlreadyThere, setup.Unknown), after)
}
