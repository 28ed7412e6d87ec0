package ses_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/email"
	"orderflow/internal/ses"
)

// answering serves one answer and counts how often it was asked.
func answering(t *testing.T, handler http.HandlerFunc) (url string, asked *atomic.Int32) {
	t.Helper()
	asked = &atomic.Int32{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		handler(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, asked
}

func apiError(status int, code, message string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Amzn-Errortype", code)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"message":%q}`, message)
	}
}

func plain(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func TestSend_ClassifiesResponses(t *testing.T) {
	t.Parallel()
	const never, seconds, quota, operator = time.Duration(0), 5 * time.Second, 15 * time.Minute, 10 * time.Minute
	tests := []struct {
		name    string
		handler http.HandlerFunc
		status  email.Status
		code    string
		least   time.Duration
	}{
		{"too fast", apiError(429, "TooManyRequestsException", "Maximum sending rate exceeded."), email.StatusPending, "TooManyRequestsException", seconds},
		{"over the daily quota", apiError(429, "TooManyRequestsException", "Daily message quota exceeded."), email.StatusPending, "TooManyRequestsException", quota},
		{"throttled in other words", apiError(400, "ThrottlingException", "Rate exceeded"), email.StatusPending, "ThrottlingException", seconds},
		{"throttled by something between", plain(429, "slow down"), email.StatusPending, "http-429", seconds},
		{"over a limit", apiError(400, "LimitExceededException", "limit"), email.StatusPending, "LimitExceededException", quota},
		{"sending paused", apiError(400, "SendingPausedException", "paused"), email.StatusPending, "SendingPausedException", operator},
		{"account suspended", apiError(400, "AccountSuspendedException", "suspended"), email.StatusPending, "AccountSuspendedException", operator},
		{"domain not verified", apiError(400, "MailFromDomainNotVerifiedException", "verify"), email.StatusPending, "MailFromDomainNotVerifiedException", operator},
		{"no such configuration set", apiError(404, "NotFoundException", "Configuration set <x> does not exist."), email.StatusPending, "NotFoundException", operator},
		{"wrong key", apiError(403, "SignatureDoesNotMatch", "signature"), email.StatusPending, "SignatureDoesNotMatch", operator},
		{"no right", apiError(403, "AccessDeniedException", "not authorized to perform ses:SendEmail on jane.doe@example.com"), email.StatusPending, "AccessDeniedException", operator},
		{"a code of the future", apiError(422, "NovelException", "?"), email.StatusPending, "NovelException", operator},
		{"a refusal that is not SES's", plain(407, "<html>proxy</html>"), email.StatusPending, "http-407", operator},
		{"an address it will not write to", apiError(400, "MessageRejected", "Address blacklisted."), email.StatusFailed, "MessageRejected", never},
		{"a refusal in words that are not listed", apiError(400, "MessageRejected", "Address <jane.doe@example.com> is bad, Jane.Doe@EXAMPLE.com too"), email.StatusPending, "MessageRejected", operator},
		{"sending paused, as a rejected message", apiError(400, "MessageRejected", "Sending paused for this account. For more information, please check the inbox of the email address associated with your AWS account."), email.StatusPending, "MessageRejected", operator},
		{"sending suspended, as a rejected message", apiError(400, "MessageRejected", "Sending suspended for this account."), email.StatusPending, "MessageRejected", operator},
		{"no such configuration set, as a bad request", apiError(400, "BadRequestException", "Configuration set <orders> does not exist."), email.StatusPending, "BadRequestException", operator},
		{"a validation of the set-up", apiError(400, "ValidationException", "1 validation error detected: Value at 'fromEmailAddressIdentityArn' failed to satisfy constraint"), email.StatusPending, "ValidationException", operator},
		{"a text about the letter under a code about the account", apiError(400, "AccountSuspendedException", "Address blacklisted."), email.StatusPending, "AccountSuspendedException", operator},
		{"a text about the letter that is only quoted", apiError(400, "MessageRejected", "Sending paused. Last error: Address blacklisted."), email.StatusPending, "MessageRejected", operator},
		{"an identity not verified", apiError(400, "MessageRejected", "Email address is not verified. The following identities failed the check in region EU-WEST-1: shop@example.com"), email.StatusPending, "MessageRejected", operator},
		{"an address without a domain", apiError(400, "BadRequestException", "Missing final '@domain'"), email.StatusFailed, "BadRequestException", never},
		{"an address with a space", apiError(400, "BadRequestException", "Local address contains control or whitespace"), email.StatusFailed, "BadRequestException", never},
		{"an address in other words", apiError(400, "InvalidParameterValue", "Domain contains dot-dot in string ``jane@example..com''"), email.StatusFailed, "InvalidParameterValue", never},
		{"a letter that is too long", apiError(400, "ValidationException", "Message length is more than 10485760 bytes long: '12345678'."), email.StatusFailed, "ValidationException", never},
		{"code with a namespace", apiError(400, "com.amazonaws.sesv2#BadRequestException:http://internal", "Domain starts with dot"), email.StatusFailed, "BadRequestException", never},
		{"unavailable", apiError(503, "ServiceUnavailable", "Service is unavailable"), email.StatusPending, "ServiceUnavailable", seconds},
		{"unavailable without a code", plain(503, ""), email.StatusPending, "http-503", seconds},
		{"unavailable, in the words of a quota", apiError(503, "Throttling", "Daily message quota exceeded."), email.StatusPending, "Throttling", quota},
		{"throttled with a server's status", apiError(500, "ThrottlingException", "Rate exceeded"), email.StatusPending, "ThrottlingException", seconds},
		{"a code that is none", apiError(400, "<b>x</b> y", "x"), email.StatusPending, "http-400", operator},

		{"a server error", apiError(500, "InternalServiceErrorException", "oops"), email.StatusUnknown, "InternalServiceErrorException", never},
		{"a client's code with a server's status", apiError(500, "MessageRejected", "oops"), email.StatusUnknown, "MessageRejected", never},
		{"a gateway error", plain(502, "<html>"), email.StatusUnknown, "http-502", never},
		{"a gateway that waited in vain", plain(504, ""), email.StatusUnknown, "http-504", never},
		{"a redirect", plain(302, ""), email.StatusUnknown, "http-302", never},
		{"accepted in a way that cannot be read", plain(200, "<html>jane.doe@example.com"), email.StatusUnknown, "answer", never},
		{"accepted without an id", plain(200, "{}"), email.StatusUnknown, "NoMessageID", never},
		{"accepted with an endless id", plain(200, `{"MessageId":"`+strings.Repeat("x", 100_000)+`"}`), email.StatusUnknown, "NoMessageID", never},
		{"accepted with an id of two lines", plain(200, `{"MessageId":"a\nlevel=ERROR"}`), email.StatusUnknown, "NoMessageID", never},
		{"accepted with an id that PostgreSQL cannot store", plain(200, `{"MessageId":"a\u0000"}`), email.StatusUnknown, "NoMessageID", never},
		{"an answer without end", plain(200, `{"MessageId":"`+strings.Repeat("x", 10<<20)), email.StatusUnknown, "answer", never},
		{"half an answer", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"MessageId":`)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, email.StatusUnknown, "answer", never},
		{"half a refusal", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"mess`)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, email.StatusPending, "http-400", operator},
		{"a cut connection", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, email.StatusUnknown, "connection", never},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			url, asked := answering(t, test.handler)
			failed := failure(t, openAt(t, url), t.Context(), letter(email.KindConfirmation))
			require.Equal(t, test.status, failed.Status, "%v", failed.Err)
			require.Equal(t, test.code, failed.Code)
			require.GreaterOrEqual(t, failed.RetryAfter, test.least)
			require.LessOrEqual(t, failed.RetryAfter, test.least*3/2)
			require.EqualValues(t, 1, asked.Load(), "asked once")
			require.Less(t, len(failed.Err.Error()), 2000)
		})
	}
}

func TestSend_UnsentRequestIsPending(t *testing.T) {
	t.Parallel()
	t.Run("nobody listens", func(t *testing.T) {
		t.Parallel()
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		require.NoError(t, listener.Close())
		failed := failure(t, openAt(t, "http://"+listener.Addr().String()), t.Context(), letter(email.KindShipment))
		require.Equal(t, email.StatusPending, failed.Status)
		require.Equal(t, "dial", failed.Code)
	})
	t.Run("no such host", func(t *testing.T) {
		t.Parallel()
		failed := failure(t, openAt(t, "http://ses.invalid"), t.Context(), letter(email.KindShipment))
		require.Equal(t, email.StatusPending, failed.Status)
		require.Contains(t, []string{"dial", "timeout"}, failed.Code, "a resolver may take its time")
	})
	t.Run("nobody to trust", func(t *testing.T) {
		t.Parallel()
		server := httptest.NewUnstartedServer(http.NotFoundHandler())
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
		server.StartTLS()
		t.Cleanup(server.Close)
		failed := failure(t, openAt(t, server.URL), t.Context(), letter(email.KindShipment))
		require.Equal(t, email.StatusPending, failed.Status)
		require.Equal(t, "connection", failed.Code)
	})
	t.Run("a peer that never greets", func(t *testing.T) {
		t.Parallel()
		listener, err := net.Listen("tcp", "127.0.0.1:0") // accepts in the kernel and says nothing: the TLS handshake hangs
		require.NoError(t, err)
		t.Cleanup(func() { _ = listener.Close() })
		mailer, err := ses.OpenAt(t.Context(), ses.Config{From: "shop@example.com", Timeout: 100 * time.Millisecond}, "https://"+listener.Addr().String())
		require.NoError(t, err)
		failed := failure(t, mailer, t.Context(), letter(email.KindShipment))
		require.Equal(t, email.StatusPending, failed.Status)
		require.Equal(t, "timeout", failed.Code)
	})
	t.Run("the caller had gone already", func(t *testing.T) {
		t.Parallel()
		url, asked := answering(t, plain(200, `{"MessageId":"x"}`))
		failed := failure(t, openAt(t, url), stopped(), letter(email.KindShipment))
		require.Equal(t, email.StatusPending, failed.Status)
		require.Equal(t, "canceled", failed.Code)
		require.ErrorIs(t, failed, context.Canceled)
		require.Zero(t, asked.Load())
	})
}

// hanging serves requests that are read and never answered, and tells when one is there.
func hanging(t *testing.T) (url string, there <-chan struct{}) {
	t.Helper()
	arrived, release := make(chan struct{}, 1), make(chan struct{})
	url, _ = answering(t, func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-release
	})
	t.Cleanup(func() { close(release) })
	return url, arrived
}

func TestSend_TimeoutIsUnknown(t *testing.T) {
	t.Parallel()
	url, _ := hanging(t)
	const enough = 3 * time.Second // to send the request: until then the email is pending
	mailer, err := ses.OpenAt(t.Context(), ses.Config{From: "shop@example.com", Timeout: enough}, url)
	require.NoError(t, err)
	began := time.Now()
	failed := failure(t, mailer, t.Context(), letter(email.KindShipment))
	require.Equal(t, email.StatusUnknown, failed.Status)
	require.Equal(t, "timeout", failed.Code)
	require.Less(t, time.Since(began), 30*time.Second, "the timeout is honored")
}

func TestSend_CanceledCallIsUnknown(t *testing.T) {
	t.Parallel()
	url, there := hanging(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-there; cancel() }()
	failed := failure(t, openAt(t, url), ctx, letter(email.KindShipment))
	require.Equal(t, email.StatusUnknown, failed.Status)
	require.Equal(t, "canceled", failed.Code)
	require.ErrorIs(t, failed, context.Canceled)
}

func TestSend_WithoutCredentialsIsPending(t *testing.T) {
	t.Parallel()
	url, asked := answering(t, plain(200, `{"MessageId":"x"}`))
	mailer, err := ses.OpenWithoutCredentials(t.Context(), ses.Config{From: "shop@example.com"}, url)
	require.NoError(t, err)
	failed := failure(t, mailer, t.Context(), letter(email.KindShipment))
	require.Equal(t, email.StatusPending, failed.Status)
	require.Equal(t, "request", failed.Code)
	require.Zero(t, asked.Load())
}

func TestLetterRefusals_EqualDocumentation(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(page), "<!-- refusals -->\n```\n")
	require.True(t, found)
	list, _, _ := strings.Cut(rest, "\n```")
	var texts []string
	for _, text := range ses.LetterRefusals() {
		texts = append(texts, strings.TrimSpace(text))
	}
	require.Equal(t, strings.Split(list, "\n"), texts)
}
