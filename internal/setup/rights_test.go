package setup_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"
	"google.golang.org/grpc/codes"

	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/setup"
)

// A database is set up by its owner. A superuser runs what is left, as it is printed.
func TestPostgres_Owner(t *testing.T) {
	t.Parallel()
	cluster := openDatabase(t, startCluster(t))
	cluster.exec("CREATE ROLE owner LOGIN PASSWORD 'secret'", "CREATE DATABASE shop OWNER owner")
	superuser := openDatabase(t, strings.Replace(cluster.url, "/orderflow?", "/shop?", 1))
	o := setup.Options{Postgres: cluster.options(cluster.urlOf("owner", "secret", "shop"))}

	for dryRun, grants := range map[bool]string{true: "would create: after the role", false: "skipped: the role comes first"} {
		o.DryRun = dryRun
		report, lines := set(t, o)
		require.Contains(t, lines, "postgres, schema: refused: a superuser has to allow it first, then run this again\n")
		require.Contains(t, lines, "postgres, role orderflow_worker: refused: ")
		require.Contains(t, lines, "postgres, grants orderflow_worker: "+grants)
		require.Contains(t, lines, "postgres, passwords: skipped: only a superuser can see which roles have one\n")
		require.Contains(t, todo(report), `GRANT SET ON PARAMETER orderflow.pruning TO "owner";`)
		require.Zero(t, report.Count(setup.Failed, setup.Created, setup.Changed), lines)
	}
	o.DryRun = false
	superuser.exec(`GRANT SET ON PARAMETER orderflow.pruning TO "owner";`)

	report, lines := set(t, o)
	require.Contains(t, lines, "postgres, schema: created: version "+schemaVersion(t)+"\n")
	require.Contains(t, lines, "postgres, slot orderflow: refused: the publisher creates it when it starts, or a role with REPLICATION\n")
	require.Zero(t, report.Count(setup.Failed), lines)
	superuser.exec(todo(report)...) // all of it, in this order
	superuser.exec("REVOKE ALL ON email_delivery FROM orderflow_worker")

	report, lines = set(t, o)
	require.Zero(t, report.Count(setup.Failed, setup.Refused, setup.Left), lines)
	require.Contains(t, lines, "postgres, grants orderflow_worker: created: INSERT on email_delivery, SELECT on email_delivery, UPDATE on email_delivery\n")
	require.Equal(t, 1, report.Count(setup.Created), lines)

	superuser.exec("DROP PUBLICATION orderflow", "ALTER ROLE orderflow_worker PASSWORD 'secret'")
	o.Postgres = cluster.options(cluster.urlOf("orderflow_worker", "secret", "shop"))
	report, lines = set(t, o)
	require.Contains(t, lines, "postgres, publication: refused: ")
	require.Contains(t, lines, "postgres, grants orderflow_api: refused: the owner of the tables grants it\n")
	require.Contains(t, lines, "postgres, grants orderflow_worker: refused: ", "although it has them: it could not grant one that is missing")
	require.Contains(t, todo(report), "CREATE PUBLICATION orderflow FOR TABLE public.order_fulfillment_history WITH (publish = 'insert');")
	require.Zero(t, report.Count(setup.Failed, setup.Created), lines)
}

// A superuser migrates the schema of another role. What that creates belongs to the owner,
// or the owner's triggers would refuse what its functions do.
func TestPostgres_SuperuserOfAnothersSchema(t *testing.T) {
	t.Parallel()
	cluster := openDatabase(t, startCluster(t))
	cluster.exec("CREATE ROLE owner LOGIN PASSWORD 'secret'", "CREATE DATABASE shop OWNER owner")
	superuser := openDatabase(t, strings.Replace(cluster.url, "/orderflow?", "/shop?", 1))
	superuser.exec("CREATE TABLE orderflow_schema_version (version integer NOT NULL)", "INSERT INTO orderflow_schema_version VALUES (0)",
		"ALTER TABLE orderflow_schema_version OWNER TO owner", "CREATE ROLE other LOGIN PASSWORD 'secret'", "GRANT SELECT ON orderflow_schema_version TO other",
		"GRANT ALL ON DATABASE shop TO other", "GRANT ALL ON SCHEMA public TO other")
	o := setup.Options{Postgres: cluster.options(superuser.url)}
	report, lines := set(t, o)
	require.Contains(t, lines, "postgres, schema: refused: a superuser has to allow it first, then run this again\n")
	require.Contains(t, todo(report), `GRANT SET ON PARAMETER orderflow.pruning TO "owner";`)
	superuser.exec(`GRANT SET ON PARAMETER orderflow.pruning TO "owner";`)

	o.Postgres = cluster.options(cluster.urlOf("other", "secret", "shop"))
	_, lines = set(t, o)
	require.Regexp(t, "postgres, schema: refused: .*permission denied to set role \"owner\".*: run `orderflow setup` as the owner of the schema\n", lines)

	o.Postgres = cluster.options(superuser.url)
	_, lines = set(t, o)
	require.Contains(t, lines, "postgres, schema: created: version "+schemaVersion(t)+"\n")
	for _, owners := range []string{"SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'",
		"SELECT DISTINCT pg_get_userbyid(proowner) FROM pg_proc WHERE pronamespace = 'public'::regnamespace"} {
		rows, err := superuser.conn.Query(t.Context(), owners)
		require.NoError(t, err)
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		require.Equal(t, []string{"owner"}, names, owners)
	}
}

// The owner of the tables does not own the schema, on which nobody else has rights.
func TestPostgres_SchemaOfAnother(t *testing.T) {
	t.Parallel()
	cluster := openDatabase(t, startCluster(t))
	cluster.exec("CREATE ROLE owner LOGIN PASSWORD 'secret'", "CREATE DATABASE shop")
	superuser := openDatabase(t, strings.Replace(cluster.url, "/orderflow?", "/shop?", 1))
	superuser.exec("REVOKE ALL ON SCHEMA public FROM PUBLIC", "GRANT CREATE, USAGE ON SCHEMA public TO owner",
		"GRANT CREATE ON DATABASE shop TO owner", "GRANT SET ON PARAMETER orderflow.pruning TO owner", "CREATE ROLE orderflow_worker LOGIN")
	o := setup.Options{Postgres: cluster.options(cluster.urlOf("owner", "secret", "shop"))}
	const grants, allow = "postgres, grants orderflow_worker: ", "GRANT USAGE ON SCHEMA public TO owner WITH GRANT OPTION;"

	report, lines := set(t, o)
	require.Contains(t, lines, grants+"refused: the owner of the schema public has to allow it first, then run this again\n")
	require.Contains(t, todo(report), allow)
	superuser.exec(allow)
	_, lines = set(t, o)
	require.Contains(t, lines, grants+"created: 17 rights\n")

	superuser.exec("GRANT CREATE ON SCHEMA public TO PUBLIC")
	report, lines = set(t, o)
	require.Contains(t, lines, "postgres, schema public: left: every role may create functions in it, ")
	require.Contains(t, todo(report), "REVOKE CREATE ON SCHEMA public FROM PUBLIC;")
	superuser.exec("REVOKE CREATE ON SCHEMA public FROM PUBLIC")

	superuser.exec("REVOKE GRANT OPTION FOR USAGE ON SCHEMA public FROM owner CASCADE", "GRANT USAGE ON SCHEMA public TO orderflow_worker")
	_, lines = set(t, o)
	require.Contains(t, lines, grants+"already there: \n", "the role has the right on the schema from another grantor")
}

// Roles that exist may lack LOGIN, and have Amazon RDS's right to replicate.
func TestPostgres_ExistingRoles(t *testing.T) {
	t.Parallel()
	db := openDatabase(t, startCluster(t))
	db.exec("CREATE ROLE orderflow_worker PASSWORD 'secret'", "CREATE ROLE rds_replication")
	o := setup.Options{Postgres: db.options(db.url)}
	const replication = "postgres, replication orderflow_publisher: "

	report, lines := set(t, o)
	require.Contains(t, lines, "postgres, role orderflow_worker: left: it may not log in\n")
	require.Equal(t, []string{"ALTER ROLE orderflow_worker LOGIN;"}, todo(report))
	require.Contains(t, lines, replication+"changed: ")
	var member, replicates bool
	require.NoError(t, db.conn.QueryRow(t.Context(), `SELECT pg_has_role(oid, 'rds_replication', 'MEMBER'), rolreplication
		FROM pg_roles WHERE rolname = 'orderflow_publisher'`).Scan(&member, &replicates))
	require.True(t, member)
	require.False(t, replicates)

	db.exec(todo(report)...)
	_, lines = set(t, o)
	require.Contains(t, lines, "postgres, role orderflow_worker: already there: \n")
	require.Contains(t, lines, replication+"already there: \n")
}

func TestKurrentDB_Refused(t *testing.T) {
	t.Parallel()
	es := startEventStore(t)
	for _, dryRun := range []bool{true, false} {
		report, lines := set(t, setup.Options{DryRun: dryRun, KurrentDB: es.options("starter", "starter", "$ops")})
		require.Contains(t, lines, "kurrentdb, rights of starter: refused: an administrator has to grant them\n")
		require.Contains(t, todo(report), "orderflow group create --grant starter")
		require.Contains(t, todo(report), "orderflow group create --grant '$ops'")
		require.Zero(t, report.Count(setup.Failed, setup.Created), lines)
	}
	report, lines := set(t, setup.Options{KurrentDB: es.options("starter")})
	require.Contains(t, lines, "kurrentdb, group fulfillment on $ce-order: refused: a user in $ops has to create it\n")
	require.Equal(t, []string{"orderflow group create"}, todo(report))
	_, lines = set(t, setup.Options{KurrentDB: es.options(operator, "starter")})
	require.Contains(t, lines, "kurrentdb, group fulfillment on $ce-order: created: \n", "an operator may create it, but not grant")
	require.Contains(t, lines, "kurrentdb, rights of starter: refused: ")
	_, lines = set(t, setup.Options{KurrentDB: es.options(kurrentsimtest.Admin, "starter")})
	require.Contains(t, lines, "kurrentdb, rights of starter: created: ")
}

func TestKurrentDB_GroupThatLosesEvents(t *testing.T) {
	t.Parallel()
	es := startEventStore(t)
	o := setup.Options{KurrentDB: es.options(kurrentsimtest.Admin)}
	o.KurrentDB.Group.MessageTimeout /= 2
	_, lines := set(t, o)
	require.Contains(t, lines, "group fulfillment on $ce-order: created")
	o.KurrentDB.Group.MessageTimeout *= 2
	before := es.count()
	_, lines = set(t, o)
	require.Contains(t, lines, "group fulfillment on $ce-order: left: group fulfillment on $ce-order loses events (messageTimeout is 2m0s, want 4m0s")
	require.Equal(t, before, es.count(), "the group is left unchanged")
}

func TestTemporal_Refused(t *testing.T) {
	t.Parallel()
	for _, code := range []codes.Code{codes.PermissionDenied, codes.Unimplemented} {
		t.Run(code.String(), func(t *testing.T) {
			t.Parallel()
			ns := newNamespace(t)
			o := ns.options()
			o.Client = ns.dial(map[string]codes.Code{"AddSearchAttributes": code, "UpdateTaskQueueConfig": code})
			report, lines := set(t, setup.Options{Temporal: o})
			require.Contains(t, lines, "temporal, search attribute OrderStatus: refused: the server does not let this user create it\n")
			require.Contains(t, lines, "temporal, search attributes of open orders: skipped: the search attributes come first\n")
			require.Contains(t, lines, "temporal, rate of order-email: refused: ")
			require.Zero(t, report.Count(setup.Failed), lines)
			for _, command := range []string{
				"temporal operator search-attribute create --namespace " + ns.name + " --name OrderStatus --type Keyword",
				"tcld namespace search-attributes add --namespace " + ns.name + " --search-attribute OrderTotalMinor=Int # on Temporal Cloud, " +
					"or in its UI: Namespaces, Edit, Search Attributes",
				"temporal task-queue config set --namespace " + ns.name + " --task-queue order-email --task-queue-type activity " +
					`--queue-rps-limit 14 --queue-rps-limit-reason "SES account"`,
			} {
				require.Contains(t, todo(report), command)
			}
		})
	}
}

func TestTemporal_OtherType(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t)
	_, lines := set(t, setup.Options{Temporal: ns.options(), DryRun: true}) // waits for the namespace
	require.Contains(t, lines, "temporal, search attribute OrderStuck: would create: Keyword\n")
	ns.add("OrderStuck", enums.INDEXED_VALUE_TYPE_TEXT)
	report, lines := set(t, setup.Options{Temporal: ns.options()})
	require.Contains(t, lines, "temporal, search attribute OrderStuck: left: is Text and must be Keyword; ")
	require.Contains(t, lines, "temporal, search attribute OrderStatus: created: Keyword\n")
	require.Contains(t, todo(report), "temporal operator search-attribute remove --namespace "+ns.name+" --name OrderStuck && "+
		"temporal operator search-attribute create --namespace "+ns.name+" --name OrderStuck --type Keyword")
	require.Contains(t, ns.state(), "OrderStuck:Text", "it is not removed")
}

func TestTemporal_NoNamespace(t *testing.T) {
	t.Parallel()
	ns := &namespace{t: t, name: "nowhere"}
	ns.Client = ns.dial(nil)
	report, lines := set(t, setup.Options{Temporal: ns.options(), Wait: 1})
	require.Equal(t, "temporal, namespace: failed: there is no namespace nowhere\n", lines)
	require.Equal(t, []string{"temporal operator namespace create --retention 720h nowhere"}, todo(report))
}
