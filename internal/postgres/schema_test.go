package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"orderflow/internal/postgres"
)

func TestMigrate_EmptyDatabaseToRequiredVersion(t *testing.T) {
	t.Parallel()
	url := servers.DatabaseFrom(t, "template1")
	store, err := openStores(t.Context(), postgres.Config{URL: url})
	require.NoError(t, err)
	defer store.Close()
	err = store.CheckSchema(t.Context())
	require.ErrorIs(t, err, postgres.ErrSchemaOutdated)
	files, globErr := filepath.Glob("migrations/*.sql")
	require.NoError(t, globErr)
	require.True(t, store.Dependency().MayPass(err), "daemons wait for the migration")
	require.EqualError(t, err, fmt.Sprintf("schema is outdated: it is at version 0, this binary needs %d: run `orderflow migrate`", len(files)))

	var said strings.Builder
	logger := slog.New(slog.NewTextHandler(&said, nil))
	require.NoError(t, postgres.Migrate(t.Context(), url+"&pool_max_conns=2", logger), "options of a pool are no matter of the server's")
	require.Equal(t, len(files), strings.Count(said.String(), "migrating the schema"))
	require.NoError(t, store.CheckSchema(t.Context()))
	require.NoError(t, postgres.Migrate(t.Context(), url, logger))
	require.Equal(t, len(files), strings.Count(said.String(), "migrating the schema"), "the second time there is nothing to do")
}

func TestMigrate_ConcurrentlyRunsEachMigrationOnce(t *testing.T) {
	t.Parallel()
	url := servers.DatabaseFrom(t, "template1")
	var said strings.Builder
	logger := slog.New(slog.NewTextHandler(&said, nil)) // it writes one line at a time
	inParallel(t, 6, func(int) error { return postgres.Migrate(t.Context(), url, logger) })
	files, err := filepath.Glob("migrations/*.sql")
	require.NoError(t, err)
	require.Equal(t, len(files), strings.Count(said.String(), "migrating the schema"))
}

func TestMigrate_WaitsWithoutBlockingOthers(t *testing.T) {
	t.Parallel()
	url := emptied(t)
	require.NoError(t, postgres.Migrate(t.Context(), url, slog.New(slog.DiscardHandler)))
	backup, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { require.NoError(t, backup.Close(context.Background())) }()
	other, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { require.NoError(t, other.Close(context.Background())) }()
	_, err = other.Exec(t.Context(), "UPDATE orderflow_schema_version SET version = 18; ALTER TABLE order_fulfillment DROP COLUMN ship_by")
	require.NoError(t, err)
	reading, err := backup.Begin(t.Context())
	require.NoError(t, err)
	_, err = reading.Exec(t.Context(), "SELECT FROM order_fulfillment")
	require.NoError(t, err)
	migrated := make(chan error, 1)
	go func() { migrated <- postgres.Migrate(t.Context(), url, slog.New(slog.DiscardHandler)) }()
	require.Eventually(t, func() bool {
		var waiting bool
		err := other.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_stat_activity
			WHERE application_name = 'orderflow-migrate' AND wait_event_type = 'Lock' AND wait_event = 'relation')`).Scan(&waiting)
		return err == nil && waiting
	}, patience, 10*time.Millisecond)

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err = other.Exec(ctx, "SELECT FROM order_fulfillment")
	require.NoError(t, err, "it waits behind the migration only until that gives up for a while")
	require.Empty(t, migrated)
	require.NoError(t, reading.Rollback(t.Context()))
	require.NoError(t, <-migrated)
	_, err = other.Exec(t.Context(), "SELECT ship_by FROM order_fulfillment")
	require.NoError(t, err)
}

func TestMigrate_LeavesNewerSchemaAlone(t *testing.T) {
	w := newWorldToChange(t, postgres.Config{})
	require.NoError(t, w.exec("UPDATE orderflow_schema_version SET version = 99"))

	require.NoError(t, w.CheckSchema(t.Context()))
	require.NoError(t, postgres.Migrate(t.Context(), w.url, slog.New(slog.DiscardHandler)))

	require.Equal(t, []string{"99"}, w.rows("SELECT version FROM orderflow_schema_version"))
}

const addLine = `INSERT INTO order_fulfillment_line
	(order_id, line_no, product_id, product_name, quantity, unit_price, tax_rate, total_minor)
	VALUES ('` + orderID + `', 3, 'p', 'Gold', 1, 1, 0, 100)`

func TestSchema_RefusesLinesOfOrderWithoutBody(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	w.close(cancelled())
	var refused *pgconn.PgError
	require.ErrorAs(t, w.exec(addLine), &refused)
	require.Equal(t, "order_fulfillment_line_complete", refused.ConstraintName)
}

func TestSchema_GuardsRowsAndHistory(t *testing.T) {
	for name, c := range map[string]struct{ sql, constraint string }{
		"a row is not deleted":                             {"DELETE FROM order_fulfillment", "order_fulfillment_keep"},
		"rows are not truncated":                           {"TRUNCATE order_fulfillment CASCADE", "order_fulfillment_keep_all"},
		"a row keeps its key":                              {"UPDATE order_fulfillment SET order_id = 'order-2'", "order_fulfillment_keep_key"},
		"a line is not changed":                            {"UPDATE order_fulfillment_line SET quantity = 6", "order_fulfillment_line_keep"},
		"a line is not deleted":                            {"DELETE FROM order_fulfillment_line", "order_fulfillment_line_keep"},
		"lines are not truncated":                          {"TRUNCATE order_fulfillment_line", "order_fulfillment_line_keep_all"},
		"a line is not added later":                        {addLine, "order_fulfillment_line_complete"},
		"a line is not added to an order that was touched": {"WITH touched AS (UPDATE order_fulfillment SET shipping_method = shipping_method) " + addLine, "order_fulfillment_line_complete"},
		"a version is not changed":                         {"UPDATE order_fulfillment_history SET revision = 7", "order_fulfillment_history_keep"},
		"a version is not deleted":                         {"DELETE FROM order_fulfillment_history", "order_fulfillment_history_guard"},
		"a version is not made up":                         {"INSERT INTO order_fulfillment_history (order_id, revision, event_type, new, at) VALUES ('order-2', 0, 'order-shipped', '{}', now())", "order_fulfillment_history_guard"},
		"the history is not truncated":                     {"TRUNCATE order_fulfillment_history", "order_fulfillment_history_keep_all"},
		"a mail is not deleted":                            {"DELETE FROM email_delivery", "email_delivery_keep"},
		"mails are not truncated":                          {"TRUNCATE email_delivery", "email_delivery_keep_all"},
		"a mail keeps its key":                             {"UPDATE email_delivery SET kind = 'rejection'", "email_delivery_keep_key"},
		"a final status stays":                             {"UPDATE order_fulfillment SET status = 'fulfilling', carrier = NULL, tracking_number = NULL", "order_fulfillment_final"},
		"a final row keeps its content":                    {"UPDATE order_fulfillment SET tracking_number = '2'", "order_fulfillment_final"},
		"a status is one of four":                          {"INSERT INTO order_fulfillment (order_id, customer_id, status, total_minor, currency, source_event_id, placed_at) VALUES ('order-2', 'c', 'lost', 1, 'USD', 'e', now())", "order_fulfillment_status_check"},
		"an order is not shipped at first":                 {"INSERT INTO order_fulfillment (order_id, customer_id, status, total_minor, currency, source_event_id, placed_at, carrier, tracking_number) VALUES ('order-2', 'c', 'shipped', 1, 'USD', 'e', now(), 'x', 'y')", "order_fulfillment_begins"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, postgres.Config{})
			w.start()
			w.close(shipped())
			err := w.exec(c.sql)
			var refused *pgconn.PgError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, c.constraint, refused.ConstraintName)
		})
	}
}

func TestSchema_RefusesRejectionOfStartedOrder(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	w.start()
	var refused *pgconn.PgError
	require.ErrorAs(t, w.exec("UPDATE order_fulfillment SET status = 'rejected', reason = 'CREDIT_DECLINED'"), &refused)
	require.Equal(t, "order_fulfillment_began", refused.ConstraintName)
}

func TestSchema_RevisionRisesWithContentOnly(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	first := w.start()
	for _, same := range []string{
		"UPDATE order_fulfillment SET shipping_method = shipping_method",
		"UPDATE order_fulfillment SET revision = 17, updated_at = now() + interval '1 day', created_at = now()",
		"UPDATE order_fulfillment SET recipient_name = 'canary-name the second'",
	} {
		require.NoError(t, w.exec(same))
		require.Equal(t, first, w.mustFind(orderID), same)
	}

	require.NoError(t, w.exec("UPDATE order_fulfillment SET shipping_method = 'overnight'"))

	changed := w.mustFind(orderID)
	require.EqualValues(t, 1, changed.Revision)
	require.True(t, changed.UpdatedAt.After(first.UpdatedAt))
	require.Equal(t, first.CreatedAt, changed.CreatedAt)
	w.close(shipped())
	require.Equal(t, []string{
		"0|order-approved|fulfilling|express|<nil>|<nil>",
		"1|fulfillment-changed|fulfilling|overnight|fulfilling|express",
		"2|order-shipped|shipped|overnight|fulfilling|overnight",
	}, w.rows(`SELECT revision, event_type, new->>'status', new->>'shipping_method', old->>'status', old->>'shipping_method'
		FROM order_fulfillment_history ORDER BY id`))
	w.requireNoPerson("order_fulfillment_history")
}

func TestSchema_EventTypeOfEachOutcome(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	w.start()
	w.close(cancelled())
	never, refused := cancelled(), rejected()
	never.OrderID, refused.OrderID = "order-never-started", "order-refused"
	w.close(never)
	w.close(refused)
	require.Equal(t, []string{
		orderID + "|0|order-approved", orderID + "|1|order-cancelled",
		"order-never-started|0|order-cancelled", "order-refused|0|order-rejected",
	}, w.rows("SELECT order_id, revision, event_type FROM order_fulfillment_history ORDER BY id"))
}

func TestSchema_ImageIndependentOfSession(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	w.start()
	require.NoError(t, w.exec("SET timezone = 'Asia/Tokyo'"))
	require.NoError(t, w.exec("UPDATE order_fulfillment SET shipping_method = 'overnight'"))

	require.Equal(t, []string{
		`{"code": null, "reason": null, "status": "fulfilling", "carrier": null, "currency": "USD", "order_id": "` + orderID +
			`", "placed_at": "2025-01-01T01:11:30.976938+00:00", "customer_id": "customer-185176238", "total_minor": 488549, ` +
			`"shipping_method": "overnight", "source_event_id": "` + sourceID + `", "tracking_number": null}`,
	}, w.rows("SELECT new::text FROM order_fulfillment_history WHERE revision = 1"))
}

func TestSchema_HistoryPrunedByFunctionOnly(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	w.start()
	w.close(shipped())
	require.Equal(t, []string{"0"}, w.rows("SELECT prune_order_fulfillment_history(now() - interval '1 hour', 99)"), "too young")
	require.Equal(t, []string{"1"}, w.rows("SELECT prune_order_fulfillment_history(now() + interval '1 hour', 1)"), "up to the id")
	require.Equal(t, []string{"1"}, w.rows("SELECT revision FROM order_fulfillment_history"))
	require.Error(t, w.exec("DELETE FROM order_fulfillment_history"), "it is append-only again")
}

// What is deleted stays in the index until a vacuum. Each batch begins where the one before
// it ended, so it reads none of that.
func TestPrune_ReadsNothingThatIsDeleted(t *testing.T) {
	w := newWorldToChange(t, postgres.Config{})
	const batch = 2_000
	for _, statement := range []string{
		"SET session_replication_role = replica", // no triggers
		`INSERT INTO order_fulfillment_history (order_id, revision, event_type, new, at)
			SELECT 'order-' || n, 0, 'order-approved', '{}', now() - interval '1 day' + n * interval '1 millisecond' FROM generate_series(1, 7000) n`,
		"SET session_replication_role = origin",
		"ANALYZE order_fulfillment_history",
		"BEGIN",
	} {
		require.NoError(t, w.exec(statement), statement)
	}
	read := func() (entries int) {
		t.Helper()
		require.NoError(t, w.conn.QueryRow(t.Context(), "SELECT pg_stat_get_xact_tuples_returned('order_fulfillment_history_at'::regclass)").Scan(&entries))
		return entries
	}
	var since *time.Time
	left := 7_000
	for _, want := range []int{batch, batch, batch, 1_000, 0} {
		before := read()
		var pruned int
		require.NoError(t, w.conn.QueryRow(t.Context(),
			"SELECT pruned, last FROM prune_order_fulfillment_history($1, now(), 1000000)", since).Scan(&pruned, &since))
		require.Equal(t, want, pruned)
		require.LessOrEqual(t, read()-before, left+10, "index entries: none that an earlier batch has deleted")
		left -= want
	}
	require.NoError(t, w.exec("COMMIT"))
}

// A function of the schema finds the same objects whatever its caller's search path is. The
// image of a row uses the server's own functions, also if every role may create others in
// the schema public.
func TestSchema_FunctionsPinTheirSearchPath(t *testing.T) {
	w := newWorldToChange(t, postgres.Config{})
	require.Empty(t, w.rows(`SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace
		AND NOT EXISTS (SELECT FROM unnest(p.proconfig) c WHERE c LIKE 'search_path=%')`))
	w.start()
	for _, statement := range []string{
		"CREATE SCHEMA hostile",
		`CREATE FUNCTION hostile.forge(jsonb, jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT '{"forged": true}'::jsonb $$`,
		"CREATE OPERATOR hostile.|| (LEFTARG = jsonb, RIGHTARG = jsonb, FUNCTION = hostile.forge)",
		// It fits better than the server's own, which takes any arguments.
		`DO $do$ BEGIN EXECUTE (SELECT format('CREATE FUNCTION public.jsonb_build_object(%s) RETURNS jsonb LANGUAGE sql AS $f$ SELECT ''{"forged": true}''::jsonb $f$',
			string_agg('text, ' || format_type(a.atttypid, NULL), ', ' ORDER BY c.n))
			FROM unnest('{order_id, customer_id, status, reason, code, total_minor, currency, shipping_method, carrier, tracking_number,
				source_event_id, placed_at}'::text[]) WITH ORDINALITY c (name, n)
			JOIN pg_attribute a ON a.attrelid = 'order_fulfillment'::regclass AND a.attname = c.name); END $do$`,
		"SET search_path = hostile, pg_catalog",
	} {
		require.NoError(t, w.exec(statement), statement)
	}
	require.Equal(t, []string{orderID}, w.rows("SELECT public.order_fulfillment_image(f)->>'order_id' FROM public.order_fulfillment f"))
	require.NoError(t, w.exec("UPDATE public.order_fulfillment SET shipping_method = 'overnight'"))
	require.Equal(t, []string{"overnight"}, w.rows("SELECT new->>'shipping_method' FROM public.order_fulfillment_history WHERE revision = 1"))
}

// A role with every right on the table still writes and drops no version: not with the
// setting of the pruning function, not within a trigger of its own, and not with the
// recording trigger on a table of its own.
func TestSchema_HistoryWrittenByOwnersFunctionsOnly(t *testing.T) {
	w := newWorldToChange(t, postgres.Config{})
	w.start()
	role := w.role("meddler")
	const forge = `INSERT INTO order_fulfillment_history (order_id, revision, event_type, new, at)
		VALUES ('order-2', 0, 'order-shipped', '{}', now())`
	for _, statement := range []string{
		"GRANT ALL ON ALL TABLES IN SCHEMA public TO " + role,
		"GRANT CREATE ON SCHEMA public TO " + role,
		"SET ROLE " + role,
		"SET orderflow.pruning = 'on'",
		"CREATE TEMP TABLE mine (LIKE order_fulfillment)",
		"CREATE FUNCTION forge() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN " + forge + "; RETURN NULL; END $$",
		"CREATE TRIGGER forge AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION forge()",
		"CREATE FUNCTION pg_temp.current_setting(text, boolean) RETURNS text LANGUAGE sql AS $$ SELECT 'on' $$",
		"CREATE TEMP TABLE pg_class AS SELECT oid, 'meddler'::regrole AS relowner FROM pg_catalog.pg_class",
		"SET search_path = pg_temp, public, pg_catalog",
	} {
		require.NoError(t, w.exec(statement), statement)
	}
	for _, c := range []struct{ sql, refused string }{
		{"DELETE FROM order_fulfillment_history", "order_fulfillment_history_guard"},
		{forge, "order_fulfillment_history_guard"},
		{"INSERT INTO mine SELECT * FROM order_fulfillment", "order_fulfillment_history_guard"},
	} {
		var refused *pgconn.PgError
		require.ErrorAs(t, w.exec(c.sql), &refused, c.sql)
		require.Equal(t, c.refused, refused.ConstraintName, c.sql)
	}
	err := w.exec("CREATE TRIGGER record AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION public.order_fulfillment_record()")
	require.ErrorContains(t, err, "42501")
}

func TestSchema_PublishesInsertsOnly(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	require.Equal(t, []string{"order_fulfillment_history|true|false|false|false"},
		w.rows(`SELECT tablename, pubinsert, pubupdate, pubdelete, pubtruncate
			FROM pg_publication JOIN pg_publication_tables USING (pubname) WHERE pubname = 'orderflow'`))
}

func TestGrantWorker_GrantsWhatTheWorkerNeeds(t *testing.T) {
	w := newWorldToChange(t, postgres.Config{})
	role := w.role("Worker's")
	for range 2 { // it may be given again
		require.NoError(t, w.exec("SELECT orderflow_grant_worker($1)", "Worker's"))
	}
	address, err := url.Parse(w.url)
	require.NoError(t, err)
	address.User = url.UserPassword("Worker's", "secret")
	store, err := openStores(t.Context(), postgres.Config{URL: address.String()})
	require.NoError(t, err)
	t.Cleanup(store.Close)
	limited := &world{stores: store, t: t, url: address.String(), conn: w.conn}

	require.NoError(t, limited.CheckSchema(t.Context()))
	limited.start()
	limited.claim(confirmation)
	limited.settle(outcome(1, "sent", "m-1"))
	limited.close(cancelled())
	require.NoError(t, limited.EraseOrder(t.Context(), orderID))
	_, _, err = limited.CountUnsettledEmails(t.Context())
	require.NoError(t, err)
	require.Len(t, w.rows("SELECT 1 FROM order_fulfillment_history"), 2)

	for _, forbidden := range []string{
		"DELETE FROM email_delivery", "TRUNCATE order_fulfillment", "SELECT FROM order_fulfillment_history",
		"INSERT INTO order_fulfillment_history (order_id, revision, event_type, new, at) VALUES ('x', 1, 'x', '{}', now())",
		"SELECT prune_order_fulfillment_history(now(), 99)", "SELECT prune_order_fulfillment_history(NULL, now(), 99)",
		"ALTER TABLE order_fulfillment DISABLE TRIGGER ALL",
	} {
		err := errors.Join(w.exec("SET ROLE "+role), w.exec(forbidden))
		require.ErrorContains(t, err, "42501", forbidden)
		require.NoError(t, w.exec("RESET ROLE"))
	}
}

func TestGrantPublisher_ReadsAndPrunesHistoryOnly(t *testing.T) {
	w := newWorldToChange(t, postgres.Config{})
	w.start()
	role := w.role("publisher")
	require.NoError(t, w.exec("SELECT orderflow_grant_publisher($1)", "publisher"))
	require.NoError(t, w.exec("SET ROLE "+role))
	require.Len(t, w.rows("SELECT 1 FROM order_fulfillment_history"), 1)
	require.Equal(t, []string{"1"}, w.rows("SELECT prune_order_fulfillment_history(now() + interval '1 hour', 99)"))
	require.Equal(t, []string{"0"}, w.rows("SELECT pruned FROM prune_order_fulfillment_history(NULL, now() + interval '1 hour', 99)"))
	for _, forbidden := range []string{
		"SELECT FROM order_fulfillment", "SELECT FROM email_delivery", "DELETE FROM order_fulfillment_history",
	} {
		require.ErrorContains(t, w.exec(forbidden), "42501", forbidden)
	}
}

// role makes a role that can log in with the password secret and gives its name as SQL
// says it.
func (w *world) role(name string) string {
	w.t.Helper()
	quoted := pgx.Identifier{name}.Sanitize()
	if err := w.exec("CREATE ROLE " + quoted + " LOGIN PASSWORD 'secret'"); err != nil {
		require.ErrorContains(w.t, err, "42710", "the cluster has it when the test runs again")
	}
	return quoted
}
