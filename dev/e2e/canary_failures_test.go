package e2e_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"

	"orderflow/internal/order"
)

// forcedFailures are the failures whose errors could quote an order's personal data.
type forcedFailures struct {
	*stackClient
	failures converter.FailureConverter

	parked []string // streams with an event that must be parked
	orders []string
}

// forceFailures has each store, SES and every decoder refuse something with a canary in it.
func (s *stackClient) forceFailures() *forcedFailures {
	s.t.Helper()
	options, err := s.stack.temporalOptions()
	require.NoError(s.t, err)
	f := &forcedFailures{stackClient: s, failures: options.FailureConverter}
	f.refuseEmails()
	f.refuseRows()
	f.refuseEvents()
	f.refuseRequests()
	return f
}

// noAddresses are texts that cannot be an email address.
var noAddresses = []string{"canary.person.example.com", "canary@person@example.com", "canary@example.com\r\nBcc: x@example.com"}

// refuseEmails has SES quote the address for one order, and refuse that of another.
func (f *forcedFailures) refuseEmails() {
	f.t.Helper()
	for _, fault := range []string{"unverified", "rejected", "error"} {
		address := "canary." + fault + "@example.com"
		f.fault(fmt.Sprintf(`{"fault":%q,"count":1,"to":%q}`, fault, address))
		id := f.place(orderSpec{email: address})
		f.orders = append(f.orders, id)
		switch fault {
		case "unverified": // an operator has to do something, so it waits
			f.awaitFailure(id, "MessageRejected")
		case "rejected":
			f.awaitMail(id, order.StatusFulfilling, "failed")
		}
	}
	f.await(f.place(orderSpec{email: "canary person@example.com"}), func(s order.State) bool { // no address to SES
		return s.Email != "none" && s.Email != "pending"
	})
}

// awaitFailure waits until a pending activity of an order has failed with a text.
func (f *forcedFailures) awaitFailure(id, text string) {
	f.t.Helper()
	require.EventuallyWithT(f.t, func(c *assert.CollectT) {
		described, err := f.temporal.DescribeWorkflow(f.t.Context(), id, "")
		require.NoError(c, err)
		pending := described.RawResponse.GetPendingActivities()
		require.Len(c, pending, 1)
		require.NotNil(c, pending[0].GetLastFailure())
		require.ErrorContains(c, f.failures.FailureToError(pending[0].GetLastFailure()), text)
	}, patience, 100*time.Millisecond)
}

// refuseRows has PostgreSQL refuse a row with all its values in the error's detail, once
// as invalid and once for a reason that may pass. Its own log is set to leave details out,
// as docs/security.md says.
func (f *forcedFailures) refuseRows() {
	f.t.Helper()
	execute := func(statement string) {
		_, err := f.database.Exec(f.t.Context(), statement)
		require.NoError(f.t, err, statement)
	}
	execute(`ALTER SYSTEM SET log_error_verbosity = 'terse'`)
	execute(`SELECT pg_reload_conf()`)
	require.EventuallyWithT(f.t, func(c *assert.CollectT) {
		var verbosity string
		require.NoError(c, f.database.QueryRow(f.t.Context(), `SHOW log_error_verbosity`).Scan(&verbosity))
		require.Equal(c, "terse", verbosity)
	}, patience, 10*time.Millisecond)
	refused, waiting := orderSpec{}.complete(), orderSpec{}.complete()
	execute(`ALTER TABLE order_fulfillment ADD CONSTRAINT forced CHECK (order_id <> '` + refused.id + `' OR status <> 'fulfilling')`)
	execute(`CREATE FUNCTION forced() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		RAISE EXCEPTION 'forced' USING DETAIL = NEW::text, HINT = NEW.address_lines::text; END $$`)
	execute(`CREATE TRIGGER forced BEFORE INSERT ON order_fulfillment FOR EACH ROW WHEN (NEW.order_id = '` + waiting.id + `') EXECUTE FUNCTION forced()`)
	f.place(refused)
	f.closed(refused.id)
	f.place(waiting)
	f.awaitFailure(waiting.id, "start fulfillment")
	execute(`DROP TRIGGER forced ON order_fulfillment`)
	execute(`ALTER TABLE order_fulfillment DROP CONSTRAINT forced`)
	f.orders = append(f.orders, refused.id, waiting.id)
}

// malformed are the changes by which an order's body becomes invalid, each with a canary.
var malformed = map[string]func(body map[string]any){
	"orderId":    func(body map[string]any) { body["orderId"] = "Canary Person" },
	"customerId": func(body map[string]any) { body["customerId"] = "Canary Person\u0007" },
	"at":         func(body map[string]any) { body["at"] = "Canary Person" },
	"lineItems":  func(body map[string]any) { body["lineItems"] = "Canary Person" },
	"quantity":   func(body map[string]any) { line(body)["quantity"] = "Canary Person" },
	"product":    func(body map[string]any) { line(body)["productName"] = strings.Repeat("Canary Person", 10_000) },
	"price":      func(body map[string]any) { line(body)["pricePerUnit"] = "Canary Person" },
	"tax":        func(body map[string]any) { line(body)["taxRate"] = "Canary Person" },
	"address":    func(body map[string]any) { recipient(body)["emailAddress"] = []string{"canary@example.com"} },
}

func line(body map[string]any) map[string]any { return body["lineItems"].([]map[string]any)[0] }

func recipient(body map[string]any) map[string]any {
	return body["billing"].(map[string]any)["recipient"].(map[string]any)
}

// refuseEvents appends events that the starter must park.
func (f *forcedFailures) refuseEvents() {
	f.t.Helper()
	for _, change := range malformed {
		b := orderSpec{}.complete()
		body := b.body()
		change(body)
		f.append(b.id, order.TypePlaced, body)
		f.parked = append(f.parked, b.id)
	}
	for _, address := range noAddresses {
		f.parked = append(f.parked, f.place(orderSpec{email: address}))
	}
	b := orderSpec{}.complete()
	_, err := f.events.AppendToStream(f.t.Context(), b.id, kurrentdb.AppendToStreamOptions{}, kurrentdb.EventData{
		EventID: uuid.New(), EventType: order.TypePlaced, ContentType: kurrentdb.ContentTypeBinary, Data: []byte(`{"orderId":"Canary Person"`),
	})
	require.NoError(f.t, err)
	f.parked = append(f.parked, b.id)
	f.append(f.orders[0], order.TypePaid, map[string]any{"amount": "Canary Person"})
	f.append(f.orders[0], order.TypeCancellationRequested, map[string]any{"reason": "Canary Person"})
	f.parked = append(f.parked, f.orders[0])
	require.EventuallyWithT(f.t, func(c *assert.CollectT) {
		said := f.operate("parked", "list")
		for _, stream := range f.parked {
			require.Contains(c, said, stream)
		}
	}, patience, 500*time.Millisecond)
}

// refuseRequests sends requests that the api must refuse. The client fails the test if the
// response has a canary.
func (f *forcedFailures) refuseRequests() {
	f.t.Helper()
	type request struct {
		method, path string
		body         any
	}
	all := []request{
		{http.MethodPost, "/orders", "Canary Person"},
		{http.MethodPost, "/orders", map[string]any{"Canary Person": "Canary Person"}},
		{http.MethodPost, "/customers", map[string]any{"customerId": "Canary Person\u0007", "limit": "Canary Person"}},
		{http.MethodPost, "/customers", map[string]any{"customerId": []string{"Canary Person"}}},
		{http.MethodPost, "/orders/" + f.orders[0] + "/cancel", map[string]any{"reason": "Canary Person"}},
		{http.MethodPost, "/orders/" + f.orders[0] + "/cancel", "Canary Person"},
	}
	for _, change := range malformed {
		body := orderSpec{}.complete().body()
		change(body)
		all = append(all, request{http.MethodPost, "/orders", body})
	}
	for _, address := range noAddresses {
		all = append(all, request{http.MethodPost, "/orders", orderSpec{email: address}.complete().body()})
	}
	for _, path := range []string{"/orders/%s", "/customers/%s", "/%s", "/orders?x=%s"} {
		all = append(all, request{http.MethodGet, fmt.Sprintf(path, url.PathEscape("Canary Person")), nil})
	}
	for _, r := range all {
		code, body := f.request(r.method, r.path, r.body)
		require.GreaterOrEqual(f.t, code, http.StatusBadRequest, "%s %s: %s", r.method, r.path, body)
	}
}

// operate runs a command of orderflow and returns what it prints. Its exit code may say
// that it found something.
func (f *forcedFailures) operate(args ...string) string {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	said, _ := f.stack.command(ctx, "orderflow", args...).CombinedOutput()
	return string(said)
}

// requireNoCanary searches the whole stack, and what operators' commands print.
func (f *forcedFailures) requireNoCanary() {
	f.t.Helper()
	search, err := searchCanaries(f.t.Context(), f.stack)
	require.NoError(f.t, err)
	for _, command := range []string{
		"parked list", "parked list -o json", "email list", "email list -o json", "publisher list", "reconcile --grace 0s", "doctor", "replay",
		"group show", "view show", "erase --order order-none", "email resolve order-none confirmation --sent",
	} {
		search.look("command", command, f.operate(strings.Fields(command)...))
	}
	require.Empty(f.t, search.found)
	for _, source := range []string{
		"visibility", "mutable state", "history", "payloads of visibility", "payloads of mutable state", "payloads of history", "current details",
		"log", "metrics", "command",
	} {
		require.Positive(f.t, search.searched[source], source)
	}
	f.t.Logf("searched %v", slices.Sorted(maps.Keys(search.searched)))
}

func TestCanaryIn(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"nothing": "", "to CANARY.person@example.com": "canary", "Canary+Street": "canary", "two Table Lamps": "table lamp"} {
		require.Equal(t, want, canaryIn(text))
	}
}
