package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver"
	"orderflow/dev/kurrentsim"
	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/order"
	"orderflow/internal/rights"
)

// rightsRig is a KurrentDB with TLS in which every binary has its own user, with the
// rights that orderflow setup --rights gives it, and a PostgreSQL in which it has its own
// role.
type rightsRig struct {
	*testing.T
	events   *kurrentsimtest.Secure
	postgres string // URL of the superuser
	urls     string // folder with the files of the daemons' connection strings
}

func newRightsRig(t *testing.T) *rightsRig {
	t.Helper()
	r := &rightsRig{T: t, events: kurrentsimtest.StartSecure(t, kurrentsim.Options{}), urls: t.TempDir()}
	for _, user := range rights.Binaries() {
		r.events.CreateUser(t, user)
	}
	cluster, err := devserver.StartPostgres(t.Context(), devserver.PostgresOptions{Dir: t.TempDir(), Fast: true})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, cluster.Stop(ctx))
	})
	r.postgres = cluster.URL
	return r
}

// postgresAs returns the URL of the database for the role of a binary.
func (r *rightsRig) postgresAs(binary, password string) string {
	r.Helper()
	u, err := url.Parse(r.postgres)
	require.NoError(r, err)
	u.User = url.UserPassword("orderflow_"+binary, password)
	return u.String()
}

// setPasswords sets the password of every role.
func (r *rightsRig) setPasswords(password string) {
	r.Helper()
	for _, binary := range []string{"worker", "publisher", "projector", "api", "reconcile"} {
		r.exec("ALTER ROLE orderflow_" + binary + " PASSWORD '" + password + "'")
	}
}

// exec runs a statement as the superuser.
func (r *rightsRig) exec(statement string) {
	r.Helper()
	conn, err := pgx.Connect(r.Context(), r.postgres)
	require.NoError(r, err)
	_, err = conn.Exec(r.Context(), statement)
	require.NoError(r, err)
	require.NoError(r, conn.Close(r.Context()))
}

const rolePassword = "secret"

// setUp runs `orderflow setup` as an administrator of both stores, sets the passwords of
// the roles, and requires that nothing is left then.
func (r *rightsRig) setUp() {
	r.Helper()
	args := []string{"setup", "--only", "postgres,kurrentdb", "--rights"}
	said, err := r.orderflow(nil, kurrentsimtest.Admin, args...)
	require.ErrorContains(r, err, "exit status 3", said)
	require.Contains(r, said, `\password orderflow_worker`)
	r.setPasswords(rolePassword)
	said, err = r.orderflow(nil, kurrentsimtest.Admin, args...)
	require.NoError(r, err, said)
	require.NotContains(r, said, "created")
	require.NotContains(r, said, "changed")
}

// programs creates a directory in which every binary runs with its own user, whatever the
// environment sets.
func (r *rightsRig) programs() string {
	r.Helper()
	dir := r.TempDir()
	for _, name := range []string{"local", "sessim", "orderflow"} { // a hard link: local looks for the others next to its own file
		require.NoError(r, os.Link(filepath.Join(binaries, name), filepath.Join(dir, name)))
	}
	temporal, err := os.Readlink(filepath.Join(binaries, "temporal"))
	require.NoError(r, err)
	require.NoError(r, os.Symlink(temporal, filepath.Join(dir, "temporal")))
	for _, name := range daemons() {
		r.writeURLs(name, name, rolePassword)
		script := fmt.Sprintf("#!/bin/sh\nunset KURRENTDB_URL POSTGRES_URL\nKURRENTDB_URL_FILE='%s' POSTGRES_URL_FILE='%s' exec '%s' \"$@\"\n",
			filepath.Join(r.urls, name+".kurrentdb"), filepath.Join(r.urls, name+".postgres"), filepath.Join(binaries, name))
		require.NoError(r, os.WriteFile(filepath.Join(dir, name), []byte(script), 0o700))
	}
	return dir
}

func daemons() []string { return []string{"worker", "starter", "publisher", "projector", "api"} }

// writeURLs writes the files of a daemon's connection strings.
func (r *rightsRig) writeURLs(daemon, user, password string) {
	r.Helper()
	for store, content := range map[string]string{"kurrentdb": r.events.URLFor(user), "postgres": r.postgresAs(daemon, password)} {
		require.NoError(r, os.WriteFile(filepath.Join(r.urls, daemon+"."+store), []byte(content+"\n"), 0o600))
	}
}

// orderflow runs an operator's command as a user, and returns its output and error.
func (r *rightsRig) orderflow(s *stack, user string, args ...string) (string, error) {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	command := exec.CommandContext(ctx, filepath.Join(binaries, "orderflow"), args...)
	command.Env = append(os.Environ(), "KURRENTDB_URL="+r.events.URLFor(user), "POSTGRES_URL="+r.postgres)
	if user == "reconcile" {
		command.Env = append(command.Env, "POSTGRES_URL="+r.postgresAs(user, rolePassword))
	}
	if s != nil {
		command.Env = append(command.Env, "TEMPORAL_ADDRESS="+s.TemporalAddress)
	}
	var both bytes.Buffer
	command.Stdout, command.Stderr = &both, &both
	err := command.Run()
	return both.String(), err
}

func TestRightsPerBinary(t *testing.T) {
	t.Parallel()
	r := newRightsRig(t)
	r.setUp()
	own, err := startStackOf(r.programs(), t.TempDir(),
		[]string{"KURRENTDB_URL=" + r.events.URLFor(kurrentsimtest.Admin), "POSTGRES_URL=" + r.postgres}, "--rate", "0")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, own.stop(), "%s", own.log) })
	s := newStackClientFor(t, own)

	shipping, canceling := orderSpec{}.complete(), orderSpec{}.complete()
	code, body := s.request(http.MethodPost, "/customers", map[string]any{"customerId": shipping.customer, "limit": "USD500.00"})
	require.Equal(t, http.StatusCreated, code, string(body))
	for _, b := range []orderSpec{shipping, canceling} {
		code, body = s.request(http.MethodPost, "/orders", b.body())
		require.Equal(t, http.StatusCreated, code, string(body))
		s.awaitStatus(b.id, order.StatusFulfilling)
	}
	_, err = s.update(shipping.id, "record-shipment", shipped)
	require.NoError(t, err)
	code, body = s.request(http.MethodPost, "/orders/"+canceling.id+"/cancel", map[string]any{"reason": "customer-request"})
	require.Contains(t, []int{http.StatusOK, http.StatusAccepted}, code, string(body))
	s.awaitCustomer(shipping.customer, "shipped", "reserved", "USD258.00")
	s.awaitCustomer(canceling.customer, "cancelled", "released", "USD10000.00")

	unknown := "order-" + strings.ReplaceAll(uuid.NewString(), "-", "")
	s.append(unknown, order.TypePaid, map[string]any{"amount": 12})
	awaitParked := func(number string) {
		t.Helper()
		require.EventuallyWithT(t, func(c *assert.CollectT) {
			said, err := r.orderflow(own, "starter", "parked", "list")
			require.NoError(c, err, said)
			require.Regexp(c, `(?m)^`+number+` +`+unknown+`@0 `, said)
		}, patience, 100*time.Millisecond)
	}
	awaitParked("0")
	said, err := r.orderflow(own, kurrentsimtest.Admin, "parked", "replay")
	require.NoError(t, err, said)
	awaitParked("1") // the starter's user still sees it
	said, err = r.orderflow(own, "reconcile", "reconcile", "--grace", "1s")
	require.NoError(t, err, said)
	said, err = r.orderflow(own, "starter", "parked", "drop", "--until", "1", "--yes")
	require.NoError(t, err, said)

	said, err = r.orderflow(own, kurrentsimtest.Admin, "setup", "--dry-run", "--rights")
	require.NoError(t, err, said)
	require.NotContains(t, said, "would")

	for _, binary := range rights.Binaries() {
		for _, args := range [][]string{{}, {"--user", binary}} { // as itself, and as an administrator sees it
			user := binary
			if len(args) > 0 {
				user = kurrentsimtest.Admin
			}
			said, _ = r.orderflow(own, user, append([]string{"doctor", "--only", "kurrentdb", "--as", binary}, args...)...)
			require.Regexp(t, `(?m)^ok +kurrentdb/read-rights `, said)
			require.NotRegexp(t, `(?m)^(warning|problem|failed) +kurrentdb/write-rights `, said)
		}
	}

	for user, denied := range map[string][]string{
		"worker":    {"read $all", "delete"},
		"publisher": {"read $all", "delete"},
		"api":       {"read $all", "delete"},
		"starter":   {"read $all", "delete", "append"},
		"projector": {"read", "delete", "append"},
		"reconcile": {"delete", "append"},
	} {
		for _, call := range denied {
			require.ErrorContains(t, r.call(user, call, shipping.id), "Access Denied", "%s must not %s", user, call)
		}
	}

	r.rotate()
	later := orderSpec{}.complete()
	require.EventuallyWithT(t, func(c *assert.CollectT) { // a broken connection is replaced
		code, body := s.request(http.MethodPost, "/orders", later.body())
		require.Contains(c, []int{http.StatusOK, http.StatusCreated}, code, string(body))
	}, patience, 100*time.Millisecond)
	s.awaitStatus(later.id, order.StatusFulfilling)
	_, err = s.update(later.id, "record-shipment", shipped)
	require.NoError(t, err)
	s.awaitCustomer(later.customer, "shipped", "reserved", "USD9758.00")
	for _, user := range []string{"worker", "api"} {
		require.ErrorContains(t, r.call(user, "read", later.id), "Access Denied", "%s was replaced", user)
	}
}

// rotate gives every daemon another user of KurrentDB and another password of PostgreSQL,
// in the files it reads, and revokes the first ones.
func (r *rightsRig) rotate() {
	r.Helper()
	args := []string{"setup", "--only", "kurrentdb", "--rights"}
	for _, name := range daemons() {
		r.events.CreateUser(r.T, name+"-2")
		args = append(args, "--user", name+"="+name, "--user", name+"="+name+"-2")
	}
	said, err := r.orderflow(nil, kurrentsimtest.Admin, args...)
	require.NoError(r, err, said)
	const password = "rotated"
	r.setPasswords(password)
	for _, name := range daemons() {
		r.writeURLs(name, name+"-2", password)
	}
	r.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename LIKE 'orderflow\\_%'")

	admin := kurrentsimtest.OfficialClient(r.T, r.events.URLFor(kurrentsimtest.Admin))
	read, err := admin.ReadStream(r.Context(), "$settings", kurrentdb.ReadStreamOptions{Direction: kurrentdb.Backwards, From: kurrentdb.End{}}, 1)
	require.NoError(r, err)
	defer read.Close()
	newest, err := read.Recv()
	require.NoError(r, err)
	settings := string(newest.OriginalEvent().Data)
	for _, name := range daemons() {
		settings = strings.ReplaceAll(settings, `"`+name+`",`, "")
	}
	_, err = admin.AppendToStream(r.Context(), "$settings", kurrentdb.AppendToStreamOptions{StreamState: kurrentdb.Any{}},
		kurrentdb.EventData{EventID: uuid.New(), EventType: "$settings", ContentType: kurrentdb.ContentTypeJson, Data: []byte(settings)})
	require.NoError(r, err)
}

// call makes a call on an order's stream that only the binaries that need it may make.
func (r *rightsRig) call(user, call, stream string) error {
	settings, err := kurrentdb.ParseConnectionString(r.events.URLFor(user))
	require.NoError(r, err)
	settings.Logger = kurrentdb.NoopLogging()
	client, err := kurrentdb.NewClient(settings)
	require.NoError(r, err)
	defer func() { _ = client.Close() }()
	var read *kurrentdb.ReadStream
	switch call {
	case "append":
		_, err = client.AppendToStream(r.Context(), stream, kurrentdb.AppendToStreamOptions{StreamState: kurrentdb.Any{}},
			kurrentdb.EventData{EventID: uuid.New(), EventType: "tried", ContentType: kurrentdb.ContentTypeJson, Data: []byte(`{}`)})
		return err
	case "delete":
		_, err = client.DeleteStream(r.Context(), stream, kurrentdb.DeleteStreamOptions{StreamState: kurrentdb.Any{}})
		return err
	case "read $all":
		read, err = client.ReadAll(r.Context(), kurrentdb.ReadAllOptions{}, 1)
	default:
		read, err = client.ReadStream(r.Context(), stream, kurrentdb.ReadStreamOptions{}, 1)
	}
	if err == nil {
		defer read.Close()
		_, err = read.Recv()
	}
	return err
}
