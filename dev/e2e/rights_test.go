package e2e_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/order"
	"orderflow/internal/rights"
)

// rightsRig is a stack on secureServers.
type rightsRig struct {
	*testing.T
	*secureServers
	stack *stack
}

func newRightsRig(t *testing.T) *rightsRig {
	t.Helper()
	own, err := startStackWith(stackOptions{dir: t.TempDir(), secure: true, args: []string{"--rate", "0"}})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, own.stop(), "%s", own.log) })
	return &rightsRig{T: t, secureServers: own.secured, stack: own}
}

// orderflow runs an operator's command as a user, and returns its output and error.
func (r *rightsRig) orderflow(user string, args ...string) (string, error) {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	command := r.stack.command(ctx, "orderflow", args...)
	command.Env = append(command.Env, "KURRENTDB_URL="+r.events.URLFor(user))
	if user == "reconcile" {
		command.Env = append(command.Env, "POSTGRES_URL="+r.postgresAs(user, rolePassword))
	}
	said, err := command.CombinedOutput()
	return string(said), err
}

func TestRightsPerBinary(t *testing.T) {
	t.Parallel()
	r := newRightsRig(t)
	s := newStackClientFor(t, r.stack)
	said, err := r.orderflow(kurrentsimtest.Admin, "setup", "--only", "postgres,kurrentdb", "--rights")
	require.NoError(t, err, said)
	require.NotContains(t, said, "created")
	require.NotContains(t, said, "changed")

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
			said, err := r.orderflow("starter", "parked", "list")
			require.NoError(c, err, said)
			require.Regexp(c, `(?m)^`+number+` +`+unknown+`@0 `, said)
		}, patience, 100*time.Millisecond)
	}
	awaitParked("0")
	said, err = r.orderflow(kurrentsimtest.Admin, "parked", "replay")
	require.NoError(t, err, said)
	awaitParked("1") // the starter's user still sees it
	said, err = r.orderflow("reconcile", "reconcile", "--grace", "1s")
	require.NoError(t, err, said)
	said, err = r.orderflow("starter", "parked", "drop", "--until", "1", "--yes")
	require.NoError(t, err, said)

	said, err = r.orderflow(kurrentsimtest.Admin, "setup", "--only", "kurrentdb", "--rights")
	require.NoError(t, err, said)
	require.Contains(t, said, "changed: $ce-order, ", "the first event opened it")
	said, err = r.orderflow(kurrentsimtest.Admin, "setup", "--dry-run", "--rights")
	require.NoError(t, err, said)
	require.NotContains(t, said, "would")

	for _, binary := range rights.Binaries() {
		for _, args := range [][]string{{}, {"--user", binary}} { // as itself, and as an administrator sees it
			user := binary
			if len(args) > 0 {
				user = kurrentsimtest.Admin
			}
			said, _ = r.orderflow(user, append([]string{"doctor", "--only", "kurrentdb", "--as", binary}, args...)...)
			require.Regexp(t, `(?m)^ok +kurrentdb/read-rights `, said)
			require.NotRegexp(t, `(?m)^(warning|problem|failed) +kurrentdb/write-rights `, said)
		}
	}

	for user, denied := range map[string][]string{
		"worker":    {"read $all", "read $ce-order", "delete"},
		"publisher": {"read $all", "read $ce-order", "delete"},
		"api":       {"read $all", "read $ce-order", "delete"},
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
	said, err := r.orderflow(kurrentsimtest.Admin, args...)
	require.NoError(r, err, said)
	const password = "rotated"
	require.NoError(r, r.setPasswords(password))
	for _, name := range daemons() {
		require.NoError(r, r.writeURLs(name, name+"-2", password))
	}
	require.NoError(r, r.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename LIKE 'orderflow\\_%'"))

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
	case "read $ce-order":
		read, err = client.ReadStream(r.Context(), "$ce-order", kurrentdb.ReadStreamOptions{ResolveLinkTos: true}, 1)
	default:
		read, err = client.ReadStream(r.Context(), stream, kurrentdb.ReadStreamOptions{}, 1)
	}
	if err == nil {
		defer read.Close()
		_, err = read.Recv()
	}
	return err
}
