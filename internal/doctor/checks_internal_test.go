package doctor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"

	"orderflow/internal/postgres"
	"orderflow/internal/shell"
)

// What no server of the tests can be made to show is checked on facts.
func TestChecks_OfFacts(t *testing.T) {
	t.Parallel()
	workflowQueue := polledQueue{name: "order-fulfillment", kind: enums.TASK_QUEUE_TYPE_WORKFLOW}
	routed := func(change func(*polledQueue)) func(*facts) Result {
		q := workflowQueue
		change(&q)
		return func(*facts) Result { return q.routing() }
	}
	server := func(s postgres.ServerState) *facts {
		return &facts{postgres: postgres.Inspection{Server: s, Slot: &postgres.SlotState{Ours: true}}}
	}
	standby := func(s postgres.Standby, synced string) *facts {
		f := server(postgres.ServerState{Version: failoverPostgres, SyncedSlots: synced})
		f.postgres.Slot.Failover = true
		f.postgres.Standbys = []postgres.Standby{s}
		return f
	}
	b1 := workerVersion{"orderflow", "b1"}
	for name, c := range map[string]struct {
		check func(*facts) Result
		facts *facts
		want  Status
		words string
	}{
		"PostgreSQL 14":                        {postgresVersion, server(postgres.ServerState{Version: 140_011, VersionText: "14.11"}), Problem, "14.11"},
		"a standby":                            {writable, server(postgres.ServerState{Standby: true}), Problem, "is a standby"},
		"fsync off":                            {durability, server(postgres.ServerState{Fsync: "off"}), Problem, "fsync is off"},
		"full_page_writes off":                 {durability, server(postgres.ServerState{PageWrites: "off"}), Warning, "full_page_writes is off"},
		"local commits":                        {durability, server(postgres.ServerState{Commit: "local"}), OK, "local"},
		"local commits and a sync standby":     {durability, server(postgres.ServerState{Commit: "local", SyncStandbys: "s1"}), Warning, "synchronous_commit is local"},
		"connections that are used up":         {connections, server(postgres.ServerState{MaxConnections: 103, Reserved: 3, Connected: 95, DatabaseLimit: -1, RoleLimit: -1}), Warning, "95 of 100"},
		"a slot that is about to be lost":      {slot, &facts{postgres: postgres.Inspection{Slot: &postgres.SlotState{Ours: true, Status: "unreserved"}}}, Problem, "about to be lost"},
		"PostgreSQL 15 and failover":           {failover, server(postgres.ServerState{Version: 150_000}), NotChecked, "before 17"},
		"a slot that is not copied":            {failover, server(postgres.ServerState{Version: failoverPostgres}), Warning, "not copied"},
		"no standby":                           {standbys, server(postgres.ServerState{}), OK, "no standby"},
		"a standby without feedback":           {standbys, standby(postgres.Standby{Slot: "s1", Active: true}, "s1"), Warning, "sends no feedback"},
		"a standby that is not waited for":     {standbys, standby(postgres.Standby{Slot: "s1", Active: true, Feedback: true}, ""), Warning, "synchronized_standby_slots is empty"},
		"a standby that is waited for":         {standbys, standby(postgres.Standby{Slot: "s1", Active: true, Feedback: true}, ` "s1"`), OK, "s1"},
		"a standby that stops the publisher":   {standbys, standby(postgres.Standby{Slot: "s1", Feedback: true}, "s1"), Problem, "has s1, which"},
		"a slot that is named and absent":      {standbys, standby(postgres.Standby{Slot: "s1", Active: true}, "s2"), Problem, "has s2, which"},
		"a backup through a slot":              {standbys, standby(postgres.Standby{Slot: "backup", Active: true}, ""), OK, "backup"},
		"Temporal 1.28":                        {temporalVersion, &facts{temporal: temporalFacts{version: "1.28.2"}}, Warning, "1.28.2"},
		"Temporal 2.0":                         {temporalVersion, &facts{temporal: temporalFacts{version: "2.0.0-rc1"}}, OK, "2.0.0"},
		"a server that says no version":        {temporalVersion, &facts{}, NotChecked, "no version"},
		"versions of which none is current":    {routed(func(q *polledQueue) { q.versions = []workerVersion{b1} }), nil, Problem, "no version is current"},
		"a current version without workers":    {routed(func(q *polledQueue) { q.current, q.versions = "orderflow.b2", []workerVersion{b1} }), nil, Problem, "orderflow.b2 is current, and none"},
		"a current version, nobody polls":      {routed(func(q *polledQueue) { q.current = "orderflow.b2" }), nil, OK, ""},
		"a current version that polls":         {routed(func(q *polledQueue) { q.current, q.versions = b1.String(), []workerVersion{b1} }), nil, OK, ""},
		"workers without versions":             {routed(func(q *polledQueue) { q.unversioned = 3 }), nil, OK, ""},
		"an absent role among others":          {roles, absentRole(), Warning, "no role orderflow_api"},
		"a role's connection limit":            {connections, roleLimit(), Warning, "10 connections are allowed (the role's"},
		"a publisher's role of another name":   {replicationRole, replicating("shop", false), Problem, "may not replicate"},
		"a publisher's role that may":          {replicationRole, replicating("shop", true), OK, "only the publisher's"},
		"a schema that is open to every role":  {roles, &facts{postgres: postgres.Inspection{GrantsKnown: true, OpenSchema: true}}, Problem, "every role may create objects in the schema public"},
		"a role that is a superuser":           {roles, superuserRole(), Warning, "orderflow_api is a superuser"},
		"a role that hides the schema version": {schema, &facts{postgres: postgres.Inspection{Schema: postgres.SchemaState{Exists: true}}}, NotChecked, "may not read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := c.check(c.facts)
			require.Equal(t, c.want, r.Status, r.Found)
			require.Contains(t, r.Found, c.words)
			if r.Status == Warning || r.Status == Problem {
				require.NotEmpty(t, r.Why)
				require.NotEmpty(t, r.Do)
			}
		})
	}
}

func absentRole() *facts {
	f := &facts{postgres: postgres.Inspection{GrantsKnown: true, Roles: map[string]postgres.RoleState{}}}
	for _, role := range postgres.Roles() {
		if role != "orderflow_api" {
			f.postgres.Roles[role] = postgres.RoleState{Login: true}
		}
	}
	return f
}

func superuserRole() *facts {
	f := absentRole()
	f.postgres.Roles["orderflow_api"] = postgres.RoleState{Login: true, Superuser: true}
	return f
}

func roleLimit() *facts {
	f := &facts{options: Options{As: "reconcile"}}
	f.postgres.Server = postgres.ServerState{MaxConnections: 200, DatabaseLimit: -1, RoleLimit: 10}
	return f
}

func replicating(role string, may bool) *facts {
	return &facts{options: Options{As: "publisher"}, postgres: postgres.Inspection{
		CurrentRole: role, Roles: map[string]postgres.RoleState{role: {Replication: may}},
	}}
}

func TestClock_Skew(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, c := range map[string]struct {
		clock clock
		want  time.Duration
	}{
		"within the call":              {clock{before: at, after: at.Add(2 * time.Second), server: at.Add(time.Second)}, 0},
		"ahead":                        {clock{before: at, after: at.Add(time.Second), server: at.Add(time.Minute)}, 59 * time.Second},
		"behind":                       {clock{before: at, after: at.Add(time.Second), server: at.Add(-time.Minute)}, -time.Minute},
		"truncated to the second":      {clock{before: at.Add(900 * time.Millisecond), after: at.Add(950 * time.Millisecond), server: at, resolution: time.Second}, 0},
		"behind, truncated to seconds": {clock{before: at.Add(time.Minute), after: at.Add(time.Minute), server: at, resolution: time.Second}, -59 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, c.clock.skew())
		})
	}
}

func TestHolds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		user        string
		groups      []string
		groupsKnown bool
		holders     []string
		has, known  bool
	}{
		"the user is named":               {"worker", nil, false, []string{"$admins", "worker"}, true, true},
		"everyone may":                    {"worker", nil, false, []string{"$all"}, true, true},
		"the user's group is named":       {"worker", []string{"writers"}, true, []string{"writers"}, true, true},
		"another group is named":          {"worker", []string{"readers"}, true, []string{"writers"}, false, true},
		"the user's groups are not known": {"worker", nil, false, []string{"writers"}, false, false},
		"an administrator":                {"eve", []string{"$admins"}, true, nil, true, true},
		"the user admin":                  {"admin", nil, false, nil, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			has, known := holds(c.user, c.groups, c.groupsKnown, c.holders)
			require.Equal(t, [2]bool{c.has, c.known}, [2]bool{has, known})
		})
	}
}

func TestQuoting(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"worker", "'$ops'", `'o'\''brien'`}, []string{shell.Quote("worker"), shell.Quote("$ops"), shell.Quote("o'brien")})
	require.Equal(t, "'o''brien'", literal("o'brien"))
	require.Equal(t, []string{"orderflow_api", `"user"`, `"o""brien"`}, []string{identifier("orderflow_api"), identifier("user"), identifier(`o"brien`)})
	require.Equal(t, `["$admins","o\"brien"]`, jsonList("$admins", `o"brien`))
}

func TestWithin(t *testing.T) {
	t.Parallel()
	t.Run("returns although a driver ignores its context", func(t *testing.T) {
		t.Parallel()
		began, stuck := time.Now(), make(chan struct{})
		defer close(stuck)
		_, err := within(t.Context(), 10*time.Millisecond, func(context.Context) (func(), error) {
			<-stuck
			return nil, nil
		})
		require.ErrorContains(t, err, "no response within 10ms")
		require.GreaterOrEqual(t, time.Since(began), grace)
	})
	t.Run("returns the driver's error", func(t *testing.T) {
		t.Parallel()
		broken := errors.New("broken")
		_, err := within(t.Context(), time.Minute, func(context.Context) (func(), error) { return nil, broken })
		require.ErrorIs(t, err, broken)
	})
}

func TestPrint_ControlsNoTerminal(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	require.NoError(t, Print(&out, []Result{{Check: "postgres/connect", Found: "a\x1b[2J\nb", Why: "w", Do: "d"}}))
	require.NotContains(t, out.String(), "\x1b")
	require.Contains(t, out.String(), `a\x1b[2J\nb`)
}

func TestPrint(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	require.NoError(t, Print(&out, []Result{
		{Check: "postgres/version", Status: OK, Found: "PostgreSQL 17"},
		{Check: "postgres/slot-bound", Status: Warning, Found: "unlimited", Why: "It fills the disk.", Do: "Set it."},
		{Check: "temporal/reachable", Status: Failed, Found: "refused", Why: "Nothing else.", Do: "Check it."},
		{Check: "temporal/version", Status: NotChecked, Found: "temporal was not reached"},
		{Check: "temporal/namespace", Status: NotChecked, Found: "temporal was not reached"},
		{Check: "temporal/workers", Status: NotChecked, Found: "temporal was not reached"},
		{Check: "temporal/stuck", Status: NotChecked, Found: "temporal was not reached"},
		{Check: "ses/sandbox", Status: NotChecked, Found: "EMAIL_FROM is not set"},
	}))
	require.Equal(t, `ok           postgres/version     PostgreSQL 17
warning      postgres/slot-bound  unlimited
failed       temporal/reachable   refused
not checked  temporal/*           temporal was not reached
not checked  ses/sandbox          EMAIL_FROM is not set

postgres/slot-bound: unlimited
  why: It fills the disk.
  do:  Set it.

temporal/reachable: refused
  why: Nothing else.
  do:  Check it.

checks: 8, findings: 1, failed: 1
`, out.String())
}

// The pools of the mains cannot be imported, so their sizes are read from the code.
func TestConnectionsOf(t *testing.T) {
	t.Parallel()
	pools := Options{}.connectionsOf()
	for binary, c := range map[string]struct {
		file, pattern string
		more          int64
	}{
		"publisher": {"publisher/run.go", `poolConnections +=\s(\d+)`, 1},
		"projector": {"projector/run.go", `MaxConns: (\d+)`, 0},
		"api":       {"api/run.go", `\tconnections +=\s(\d+)`, 0},
		"reconcile": {"internal/reconcile/orders.go", `Lookups = (\d+)`, 0},
	} {
		code, err := os.ReadFile(filepath.Join("..", "..", c.file))
		require.NoError(t, err)
		found := regexp.MustCompile(c.pattern).FindStringSubmatch(string(code))
		require.NotEmpty(t, found, c.file)
		sum := c.more
		for _, text := range found[1:] {
			n, err := strconv.ParseInt(text, 10, 64)
			require.NoError(t, err)
			sum += n
		}
		require.Equal(t, sum, pools[binary], binary)
	}
}
