package ses_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"orderflow/dev/leaktest"
	"orderflow/dev/sessim"
	"orderflow/internal/config"
	"orderflow/internal/email"
	"orderflow/internal/ses"
)

func TestMain(m *testing.M) {
	// What this machine knows of AWS must not reach the tests.
	for _, name := range os.Environ() {
		if key, _, _ := strings.Cut(name, "="); strings.HasPrefix(key, "AWS_") {
			_ = os.Unsetenv(key)
		}
	}
	_ = os.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	_ = os.Setenv("AWS_CONFIG_FILE", os.DevNull)
	_ = os.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	leaktest.Main(m,
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), // idle connections of the mailers
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
		goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"), // half a second of courtesy
	)
}

func startSim(t *testing.T) *sessim.Server {
	t.Helper()
	sim, err := sessim.Start(sessim.Options{Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = sim.Stop(stopped()) })
	return sim
}

// stopped is a context that waits for nobody: the mailers keep idle connections.
func stopped() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func openAt(t *testing.T, endpoint string) *ses.Mailer {
	t.Helper()
	mailer, err := ses.OpenAt(t.Context(), ses.Config{
		From: "Shop <shop@example.com>", ReplyTo: "help@example.com", ConfigurationSet: "orders", Timeout: 5 * time.Second,
	}, endpoint)
	require.NoError(t, err)
	return mailer
}

// failure sends and gives the error, which is held to what every one must be: of the one
// type, and without the address.
func failure(t *testing.T, mailer *ses.Mailer, ctx context.Context, l email.Letter) *email.SendError {
	t.Helper()
	id, err := mailer.Send(ctx, l)
	require.Empty(t, id)
	var failed *email.SendError
	require.ErrorAs(t, err, &failed)
	require.Error(t, failed.Err)
	for cause := err; cause != nil; cause = unwrap(cause) {
		require.NotContains(t, cause.Error(), "@")
		require.NotContains(t, cause.Error(), "jane")
	}
	return failed
}

func unwrap(err error) error {
	if wrapper, ok := err.(interface{ Unwrap() error }); ok {
		return wrapper.Unwrap()
	}
	return nil
}

func TestSend_DeliversLetterWithTags(t *testing.T) {
	t.Parallel()
	sim := startSim(t)
	l := letter(email.KindConfirmation)
	l.Attempt = 2
	id, err := openAt(t, sim.URL()).Send(t.Context(), l)
	require.NoError(t, err)
	rendered, err := ses.Render(l)
	require.NoError(t, err)
	messages := sim.Messages()
	require.Len(t, messages, 1)
	require.WithinDuration(t, time.Now(), messages[0].At, time.Minute)
	messages[0].At = time.Time{}
	require.Equal(t, sessim.Message{
		MessageID: id, To: "jane.doe@example.com", From: `"Shop" <shop@example.com>`,
		Subject: rendered.Subject, Text: rendered.Text, HTML: rendered.HTML,
		ReplyTo: "help@example.com",
		Tags:    map[string]string{"order_id": "order-0a1b_-2c", "kind": "confirmation", "attempt": "2"},
		Headers: map[string]string{
			"X-Order-Id": "order-0a1b.2c", "Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All",
		},
		ConfigurationSet: "orders",
	}, messages[0])
}

func TestSend_ClassifiesFaultsOfSES(t *testing.T) {
	t.Parallel()
	tests := []struct {
		fault, code string
		status      email.Status
		least, most time.Duration
		kept        int
	}{
		{sessim.FaultThrottled, "TooManyRequestsException", email.StatusPending, 5 * time.Second, 10 * time.Second, 0},
		{sessim.FaultQuota, "TooManyRequestsException", email.StatusPending, 15 * time.Minute, 23 * time.Minute, 0},
		{sessim.FaultRejected, "MessageRejected", email.StatusFailed, 0, 0, 0},
		{sessim.FaultPaused, "SendingPausedException", email.StatusPending, 10 * time.Minute, 15 * time.Minute, 0},
		{sessim.FaultSuspended, "AccountSuspendedException", email.StatusPending, 10 * time.Minute, 15 * time.Minute, 0},
		{sessim.FaultStopped, "MessageRejected", email.StatusPending, 10 * time.Minute, 15 * time.Minute, 0},
		{sessim.FaultNoSet, "BadRequestException", email.StatusPending, 10 * time.Minute, 15 * time.Minute, 0},
		{sessim.FaultBusy, "ServiceUnavailable", email.StatusPending, 5 * time.Second, 10 * time.Second, 0},
		{sessim.FaultError, "InternalServiceErrorException", email.StatusUnknown, 0, 0, 0},
		{sessim.FaultLost, "connection", email.StatusUnknown, 0, 0, 1},
	}
	for _, test := range tests {
		t.Run(test.fault, func(t *testing.T) {
			t.Parallel()
			sim := startSim(t)
			mailer := openAt(t, sim.URL())
			require.NoError(t, sim.AddFault(sessim.Fault{Fault: test.fault, Count: 1}))
			failed := failure(t, mailer, t.Context(), letter(email.KindShipment))
			require.Equal(t, test.status, failed.Status)
			require.Equal(t, test.code, failed.Code)
			require.GreaterOrEqual(t, failed.RetryAfter, test.least)
			require.LessOrEqual(t, failed.RetryAfter, test.most)
			require.Len(t, sim.Messages(), test.kept, "one attempt, and no second one behind the caller's back")
			_, err := mailer.Send(t.Context(), letter(email.KindShipment))
			require.NoError(t, err, "the next one goes through")
		})
	}
}

// Accepted is not delivered: SES takes a letter to an address on its suppression list,
// says so to nobody but its event destinations, and drops it. All that can be said here
// is what SES said.
func TestSend_SuppressedAddressIsAccepted(t *testing.T) {
	t.Parallel()
	sim := startSim(t)
	require.NoError(t, sim.AddFault(sessim.Fault{Fault: sessim.FaultSuppressed}))
	id, err := openAt(t, sim.URL()).Send(t.Context(), letter(email.KindConfirmation))
	require.NoError(t, err)
	require.Equal(t, id, sim.Messages()[0].MessageID)
	require.True(t, sim.Messages()[0].Suppressed)
}

func TestSend_UnusualAddresses(t *testing.T) {
	t.Parallel()
	sim := startSim(t)
	mailer := openAt(t, sim.URL())
	for _, address := range []string{
		"jane@xn--exmple-cua.com", "jane+orders@example.com", "j@example.co.uk", "jane.o'neil@example.com",
		`"jane doe, shop"@example.com`, "jane@localhost", "jane@[192.0.2.1]",
		strings.Repeat("a", 64) + "@" + strings.Repeat("b", 243) + ".example.com",
	} {
		l := letter(email.KindConfirmation)
		l.To = address
		_, err := mailer.Send(t.Context(), l)
		require.NoError(t, err, address)
	}
	require.Len(t, sim.Messages(), 8)
}

func TestSend_AddressThatSESRefuses(t *testing.T) {
	t.Parallel()
	sim := startSim(t)
	mailer := openAt(t, sim.URL())
	for _, address := range []string{
		"@example.com", "a@", "@", "a @example.com", "a@exam ple.com", "bär@example.com", "a@bär.example", "a..b@example.com", ".a@example.com",
		"a.@example.com", "a@example..com", "a@.example.com", "a@example.com.", "a@exam_ple.com", `"a b@example.com`, `"a"b@example.com`,
	} {
		l := letter(email.KindConfirmation)
		l.To = address
		_, err := mailer.Send(t.Context(), l)
		var failed *email.SendError
		require.ErrorAs(t, err, &failed, address)
		require.Equal(t, email.StatusFailed, failed.Status, "%s: %v", address, failed.Err)
		require.Equal(t, "BadRequestException", failed.Code, address)
	}
	require.Empty(t, sim.Messages())
}

func TestSend_InvalidLetterNeverReachesSES(t *testing.T) {
	t.Parallel()
	with := func(change func(*email.Letter)) email.Letter {
		l := letter(email.KindConfirmation)
		change(&l)
		return l
	}
	to := func(address string) email.Letter { return with(func(l *email.Letter) { l.To = address }) }
	tests := []struct {
		name   string
		letter email.Letter
		code   string
	}{
		{"no address", to(""), "InvalidRecipient"},
		{"no at sign", to("jane.doe"), "InvalidRecipient"},
		{"two addresses", to("jane@example.com, x@example.com"), "InvalidRecipient"},
		{"an address and a name", to("jane@example.com, x"), "InvalidRecipient"},
		{"a group", to("friends: jane@example.com;"), "InvalidRecipient"},
		{"a display name", to("Jane <jane@example.com>"), "InvalidRecipient"},
		{"a comment", to("jane@example.com (home)"), "InvalidRecipient"},
		{"a quotation that does not end there", to(`"a", "b"@example.com`), "InvalidRecipient"},
		{"a header of its own", to("jane@example.com\r\nBcc: x@example.com"), "InvalidRecipient"},
		{"a NUL", to("jane\x00@example.com"), "InvalidRecipient"},
		{"a route", to("@relay.example,@other.example:jane@example.com"), "InvalidRecipient"},
		{"angle brackets alone", to("<jane@example.com>"), "InvalidRecipient"},
		{"a tab in it", to("jane@example\t.com"), "InvalidRecipient"},
		{"an encoded word", to("=?utf-8?q?jane?= <jane@example.com>"), "InvalidRecipient"},
		{"two at signs", to("jane@home@example.com"), "InvalidRecipient"},
		{"321 bytes", to(strings.Repeat("a", 309) + "@example.com"), "InvalidRecipient"},
		{"an endless literal", to("a@[" + strings.Repeat("[", 262_144)), "InvalidRecipient"},
		{"no order", with(func(l *email.Letter) { l.OrderID = "" }), "InvalidOrderID"},
		{"an order with a space", with(func(l *email.Letter) { l.OrderID = "order-a b" }), "InvalidOrderID"},
	}
	sim := startSim(t)
	mailer := openAt(t, sim.URL())
	for _, test := range tests {
		failed := failure(t, mailer, t.Context(), test.letter)
		require.Equal(t, email.StatusFailed, failed.Status, test.name)
		require.Equal(t, test.code, failed.Code, test.name)
	}
	require.Empty(t, sim.Messages())
}

func TestSend_WithoutTemplateIsPending(t *testing.T) {
	t.Parallel()
	sim := startSim(t)
	failed := failure(t, openAt(t, sim.URL()), t.Context(), letter("newsletter"))
	require.Equal(t, email.StatusPending, failed.Status)
	require.Equal(t, "InvalidTemplate", failed.Code)
	require.GreaterOrEqual(t, failed.RetryAfter, 10*time.Minute)
	require.Empty(t, sim.Messages())
}

func TestOpen_NamesAllInvalidSettings(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		config   ses.Config
		endpoint string
		want     string
	}{
		{"no sender", ses.Config{}, "http://x", "EMAIL_FROM: address is empty or longer than 320 bytes"},
		{"a sender with a header", ses.Config{From: "a@example.com\r\nBcc: x@y.z"}, "http://x", "EMAIL_FROM: address has control characters or is not plain ASCII"},
		{"a sender that SES would refuse as it refuses a recipient", ses.Config{From: "a@exam_ple.com"}, "http://x", "EMAIL_FROM: not exactly one plain address"},
		{"two senders", ses.Config{From: "a@example.com,b@example.com"}, "http://x", "EMAIL_FROM: not exactly one plain address"},
		{
			"everything at once", ses.Config{From: "x", ReplyTo: "y", ConfigurationSet: "a b"}, "localhost:8005",
			"AWS_ENDPOINT_URL_SESV2: must be a URL such as https://host\n" +
				"EMAIL_CONFIGURATION_SET: must be at most 64 of A-Z a-z 0-9 _ -\n" +
				"EMAIL_FROM: not exactly one plain address\n" +
				"EMAIL_REPLY_TO: not exactly one plain address",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := ses.OpenAt(t.Context(), test.config, test.endpoint)
			require.EqualError(t, err, test.want)
			require.Equal(t, config.ExitConfiguration, config.ExitCode(err))
		})
	}
}

func TestOpen_WithoutRegion(t *testing.T) {
	t.Parallel()
	_, err := ses.Open(t.Context(), ses.Config{From: "shop@example.com"})
	require.EqualError(t, err, "AWS_REGION: is required")
}

// TestOpen_HonorsAWSVariablesExceptRetries is not parallel: it sets the process's
// environment.
func TestOpen_HonorsAWSVariablesExceptRetries(t *testing.T) {
	sim := startSim(t)
	t.Setenv("AWS_REGION", "eu-central-1")
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_ENDPOINT_URL_SESV2", sim.URL())
	t.Setenv("AWS_MAX_ATTEMPTS", "5")
	t.Setenv("AWS_RETRY_MODE", "standard")
	mailer, err := ses.Open(t.Context(), ses.Config{From: "shop@example.com"})
	require.NoError(t, err)
	for _, fault := range []string{sessim.FaultThrottled, sessim.FaultError, sessim.FaultLost} {
		require.NoError(t, sim.AddFault(sessim.Fault{Fault: fault, Count: 9}))
		require.NotEqual(t, email.StatusFailed, failure(t, mailer, t.Context(), letter(email.KindRejection)).Status)
		require.Equal(t, 8, sim.Faults()[0].Count, "%s used up once", fault)
		sim.ClearFaults()
	}
}
