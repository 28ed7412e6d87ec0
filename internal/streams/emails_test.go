package streams_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/correlation"
	"orderflow/internal/email"
	"orderflow/internal/kurrent"
	"orderflow/internal/streams"
)

func TestPublishEmailEvent(t *testing.T) {
	t.Parallel()
	known := email.Recorded{
		Before: email.StatusSent, CustomerID: "customer-7", SourceEventID: "event-1", Trace: correlation.Trace{CorrelationID: "cart-9"},
	}
	bounced := email.Event{
		Type: email.EventBounce, OrderID: "order-1", Kind: email.KindConfirmation, Attempt: 2, MessageID: "m-1", Hard: true,
		Detail: "Permanent/NoEmail", At: time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC),
	}
	read := func(t *testing.T, client *kurrent.Client) (events []kurrent.Event) {
		t.Helper()
		err := client.ReadStream(t.Context(), "email-order-1", 0, 0, func(e kurrent.Event) error {
			events = append(events, e)
			return nil
		})
		require.NoError(t, err)
		return events
	}
	t.Run("writes a bounce once, however often and in parallel it is reported", func(t *testing.T) {
		t.Parallel()
		client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
		emails := streams.Emails{Client: client}
		var publishing sync.WaitGroup
		for range 4 {
			publishing.Go(func() { require.NoError(t, emails.PublishEmailEvent(t.Context(), bounced, known)) })
		}
		publishing.Wait()
		complained := bounced
		complained.Type, complained.Detail = email.EventComplaint, "abuse"
		require.NoError(t, emails.PublishEmailEvent(t.Context(), complained, known))
		require.NoError(t, emails.PublishEmailEvent(t.Context(), bounced, known))

		events := read(t, client)
		require.Len(t, events, 2)
		require.Equal(t, email.TypeBounced, events[0].Type)
		require.JSONEq(t, `{"orderId":"order-1","customerId":"customer-7","kind":"confirmation","attempt":2,"messageId":"m-1",
			"detail":"Permanent/NoEmail","at":"2025-03-01T12:00:00Z"}`, string(events[0].Data))
		require.JSONEq(t, `{"$correlationId":"cart-9","$causationId":"event-1"}`, string(events[0].Metadata))
		require.Equal(t, email.TypeComplained, events[1].Type)
	})
	t.Run("writes nothing for what concerns the email alone", func(t *testing.T) {
		t.Parallel()
		client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
		soft := bounced
		soft.Hard = false
		require.NoError(t, streams.Emails{Client: client}.PublishEmailEvent(t.Context(), soft, known))
		_, err := client.ReadEvent(t.Context(), "email-order-1", 0)
		require.ErrorIs(t, err, kurrent.ErrNotFound)
	})
	t.Run("bounds the events of an order", func(t *testing.T) {
		t.Parallel()
		emails := streams.Emails{Client: kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())}
		for i := range 100 {
			e := bounced
			e.MessageID = fmt.Sprintf("m-%d", i)
			require.NoError(t, emails.PublishEmailEvent(t.Context(), e, known))
		}
		require.NoError(t, emails.PublishEmailEvent(t.Context(), bounced, known), "one of them again")
		other := bounced
		other.MessageID = "m-100"
		require.ErrorIs(t, emails.PublishEmailEvent(t.Context(), other, known), streams.ErrEmailEvents)
	})
}
