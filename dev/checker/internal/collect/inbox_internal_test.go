package collect

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/dev/checker/internal/facts"
	"orderflow/dev/sessim"
)

const mail = `{
	"FromEmailAddress": "orders@shop.example", "Destination": {"ToAddresses": ["ada@example.com"]},
	"Content": {"Simple": {
		"Subject": {"Data": "Your order"}, "Body": {"Text": {"Data": "Thank you"}},
		"Headers": [{"Name": "X-Order-Id", "Value": "order-1"}]}},
	"EmailTags": [{"Name": "order_id", "Value": "order-1"}, {"Name": "kind", "Value": "confirmation"}]
}`

func TestInbox_Message(t *testing.T) {
	t.Parallel()
	server, err := sessim.Start(sessim.Options{Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Stop(context.Background()) })
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL()+"/v2/email/outbound-emails", strings.NewReader(mail))
	require.NoError(t, err)
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=x, SignedHeaders=host, Signature=y")
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusOK, answer.StatusCode)

	r := &reader{sources: Sources{InboxURL: server.URL()}, facts: facts.New()}
	require.NoError(t, r.inbox(t.Context()))
	messages := r.facts.Orders["order-1"].Messages
	require.Len(t, messages, 1)
	require.NotEmpty(t, messages[0].ID)
	require.WithinDuration(t, time.Now(), messages[0].At, time.Minute)
	require.Equal(t, facts.Message{
		ID: messages[0].ID, Kind: "confirmation", OrderTag: "order-1", To: "ada@example.com", At: messages[0].At,
	}, messages[0])
}

func TestInbox_TruncatedList(t *testing.T) {
	t.Parallel()
	for name, list := range map[string]string{"in a mail": `[{"to":"a`, "between mails": `[{"to":"a"}`, "at the start": ``} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(list)) }))
		t.Cleanup(server.Close)
		r := &reader{sources: Sources{InboxURL: server.URL}, facts: facts.New()}
		require.Error(t, r.inbox(t.Context()), name)
	}
}
