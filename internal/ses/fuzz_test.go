package ses_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/email"
	"orderflow/internal/ses"
)

// answer is what a server says instead of SES. Its server runs for all inputs of a fuzz
// test.
type answer struct {
	mu     sync.Mutex
	status int
	code   string
	body   []byte
	asked  int
}

func (a *answer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked++
	w.Header().Set("X-Amzn-Errortype", a.code)
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
}

func (a *answer) set(status int, code string, body []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status, a.code, a.body, a.asked = status, code, body, 0
}

// FuzzSend classifies responses. A response never makes an email that may have been sent
// look unsent, a letter is never given up for more than SES's words about it, and neither
// the recipient nor anything that could be an address reaches the cause.
func FuzzSend(f *testing.F) {
	f.Add(200, "", []byte(`{"MessageId":"0100018f-a"}`))
	f.Add(400, "MessageRejected", []byte(`{"message":"Address blacklisted."}`))
	f.Add(429, "TooManyRequestsException", []byte(`{"message":"Daily message quota exceeded."}`))
	a := &answer{}
	server := httptest.NewServer(a)
	f.Cleanup(server.Close)
	mailer, err := ses.OpenAt(f.Context(), ses.Config{From: "shop@example.com", Timeout: 5 * time.Second}, server.URL)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, status int, code string, body []byte) {
		if status < 200 || status > 599 {
			return // informational responses are followed by another one
		}
		if status == http.StatusNoContent || status == http.StatusNotModified || len(body) > 1<<16 {
			body = nil
		}
		a.set(status, code, body)
		id, err := mailer.Send(t.Context(), letter(email.KindConfirmation))
		require.Equal(t, 1, a.asked, "asked once")
		if err == nil {
			require.Less(t, status, 300)
			require.NotEmpty(t, id)
			require.LessOrEqual(t, len(id), 200)
			require.True(t, printable(id), "%q", id)
			return
		}
		var failed *email.SendError
		require.ErrorAs(t, err, &failed)
		require.Regexp(t, `^[A-Za-z0-9._-]{1,64}$`, failed.Code)
		text := failed.Err.Error()
		require.Less(t, len(text), 2100)
		require.True(t, printable(text), "%q", text)
		require.NotContains(t, text, "@")
		require.NotContains(t, text, "%40")
		switch failed.Status {
		case email.StatusUnknown:
			require.Zero(t, failed.RetryAfter)
		case email.StatusPending:
			require.GreaterOrEqual(t, failed.RetryAfter, 5*time.Second)
		case email.StatusFailed:
			require.True(t, status >= 400 && status < 500 || status == 503, fmt.Sprint(status))
		default:
			t.Fatalf("status %q", failed.Status)
		}
		if status < 400 {
			require.Equal(t, email.StatusUnknown, failed.Status)
		}
	})
}

// printable reports whether text stays on one line and moves no cursor.
func printable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' })
}
