package collect

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"

	"orderflow/dev/checker/internal/facts"
	"orderflow/dev/kurrentsim"
	"orderflow/internal/order"
)

const (
	group   = "fulfillment"
	parkedS = "$persistentsubscription-$ce-order::fulfillment-parked"
	body    = `{
		"orderId": "order-1", "customerId": "customer-7", "at": "2025-01-31T12:00:00Z",
		"lineItems": [{"productId": "p", "productName": "Desk", "quantity": 1, "pricePerUnit": "USD10.00", "taxRate": 0.1}],
		"shipping": {"recipient": {"fullName": "Ada Lovelace"}},
		"billing": {"recipient": {"fullName": "Ada Lovelace", "emailAddress": "ada@example.com"}}
	}`
)

// store is a KurrentDB with a group.
type store struct {
	*testing.T
	url    string
	client *kurrentdb.Client
}

func newStore(t *testing.T) store {
	t.Helper()
	server, err := kurrentsim.Start(kurrentsim.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop(context.Background())) })
	settings, err := kurrentdb.ParseConnectionString(server.URL())
	require.NoError(t, err)
	settings.Logger = kurrentdb.NoopLogging()
	client, err := kurrentdb.NewClient(settings)
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	require.NoError(t, client.CreatePersistentSubscription(t.Context(), "$ce-order", group, kurrentdb.PersistentStreamSubscriptionOptions{}))
	return store{t, server.URL(), client}
}

func (s store) append(stream, eventType, data, metadata string) string {
	s.Helper()
	id := uuid.New()
	_, err := s.client.AppendToStream(s.Context(), stream, kurrentdb.AppendToStreamOptions{}, kurrentdb.EventData{
		EventID: id, EventType: eventType, ContentType: kurrentdb.ContentTypeJson, Data: []byte(data), Metadata: []byte(metadata),
	})
	require.NoError(s, err)
	return id.String()
}

// read returns the facts that the checker collects.
func (s store) read() *facts.Facts {
	s.Helper()
	r := &reader{
		sources: Sources{KurrentURL: s.url, Stream: "$ce-order", Group: group}, facts: facts.New(), markers: NewPIIMarkers(),
	}
	require.NoError(s, r.kurrent(s.Context()))
	return r.facts
}

func TestKurrent_Order(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	placed := s.append("order-1", order.TypePlaced, body, "")
	paid := s.append("order-1", order.TypePaid, `{"amount":"USD11.00"}`, "")
	s.append("order-1", order.TypeCancellationRequested, `{"reason":"a reason that is no code"}`, "")
	s.append("order-2", order.TypePlaced, `{"orderId":"order-2"}`, "")
	s.append(parkedS, "$>", "0@order-2", `{"added":"2025-01-31T12:00:00Z","reason":"Client explicitly NAK'ed message.\ncustomerId: is missing"}`)
	f := s.read()

	o := f.Orders["order-1"]
	require.Equal(t, placed, o.First().EventID)
	require.Equal(t, order.Money{Minor: 1100, Currency: "USD"}, o.First().Total)
	require.Equal(t, 1, o.First().Lines.Count)
	require.Equal(t, []facts.Payment{{Revision: 1, EventID: paid, Amount: order.Money{Minor: 1100, Currency: "USD"}}}, o.Payments)
	require.NotEmpty(t, o.Cancellations[0].Fault)
	require.Nil(t, f.Orders["order-2"].First())
	require.Equal(t, "customerId: is missing", f.Orders["order-2"].Parked[0].Reason)
	require.True(t, f.Group.Exists)
	require.False(t, o.Deleted)
}

func TestKurrent_UnlinkedEvents(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.append("order-1", order.TypePlaced, `{"orderId":`, "")
	s.append("order-1", order.TypePaid, "", "")
	s.append("order-1", order.TypeCancellationRequested, "not JSON", "")
	s.append("order-1", order.TypePlaced, body, "")
	o := s.read().Orders["order-1"]
	require.True(t, o.Placed[0].Unlinked)
	require.NotEmpty(t, o.Placed[0].Fault)
	require.True(t, o.Payments[0].Unlinked)
	require.True(t, o.Cancellations[0].Unlinked)
	require.False(t, o.Placed[1].Unlinked)
}

func TestKurrent_DeletedOrder(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.append("order-1", order.TypePlaced, body, "")
	_, err := s.client.DeleteStream(t.Context(), "order-1", kurrentdb.DeleteStreamOptions{StreamState: kurrentdb.Any{}})
	require.NoError(t, err)
	require.True(t, s.read().Orders["order-1"].Deleted)
}

func TestKurrent_Account(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	placed := s.append("order-1", order.TypePlaced, body, "")
	s.append("credit-customer-7", facts.CreditOpened, `{"customerId":"customer-7","limit":"USD10000.00"}`, "")
	s.append("credit-customer-7", facts.CreditReserved, `{"orderId":"order-1","amount":"USD11.00"}`, `{"$causationId":"`+placed+`"}`)
	s.append("credit-customer-7", "credit-imagined", `{}`, "")
	f := s.read()
	events := f.Accounts["customer-7"].Events
	require.Len(t, events, 3)
	require.Equal(t, "customer-7", events[0].Named)
	require.Equal(t, placed, events[1].Causation)
	require.Equal(t, events[1:2], f.Orders["order-1"].Credit)
	require.NotEmpty(t, events[2].Fault)
	require.Empty(t, f.Leaks)
}

func TestKurrent_NameInCreditStreamIsLeak(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.append("order-1", order.TypePlaced, body, "")
	s.append("credit-customer-7", facts.CreditReserved, `{"orderId":"order-1","amount":"USD11.00","approvedBy":"Ada Lovelace"}`, "")
	leaks := s.read().Leaks
	require.Equal(t, []facts.Leak{{Where: "credit stream", Order: "order-1", What: "event 0 of credit-customer-7"}}, leaks)
}

func TestKurrent_PublishedVersion(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	image := `{"order_id":"order-1","customer_id":"customer-7","status":"fulfilling","reason":null,"code":null,"total_minor":1100,
		"currency":"USD","shipping_method":null,"carrier":null,"tracking_number":null,"source_event_id":"e","placed_at":"2025-01-31T12:00:00+00:00"}`
	s.append("fulfillment-order-1", "order-approved", `{"orderId":"order-1","customerId":"customer-7","status":"fulfilling",
		"total":"USD11.00","revision":0,"old":null,"new":`+image+`}`, `{"$causationId":"e"}`)
	s.append("fulfillment-order-1", "order-shipped", `{"orderId":"order-1","revision":1,"old":{"recipient_name":"x"},"new":`+image+`}`, "")
	published := s.read().Orders["order-1"].Published
	require.Len(t, published, 2)
	require.Empty(t, published[0].Old)
	require.Empty(t, published[0].Fault)
	require.Equal(t, published[0].New, published[1].New)
	require.NotEmpty(t, published[1].Fault, "a column that is not on the list")
}
