package sessim_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"orderflow/dev/leaktest"
	"orderflow/dev/sessim"
)

func TestMain(m *testing.M) {
	leaktest.Main(m,
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), // idle connections of the clients
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
		goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"), // the server waits half a second after an oversized body
	)
}

func start(t *testing.T, o sessim.Options) *sessim.Server {
	t.Helper()
	o.Listen = "127.0.0.1:0"
	server, err := sessim.Start(o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Stop(canceled()) })
	return server
}

// canceled returns a context that is already done: clients keep idle connections, which a
// stop must not wait for.
func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func client(server *sessim.Server) *sesv2.Client {
	return sesv2.New(sesv2.Options{
		Region: "eu-west-1", BaseEndpoint: aws.String(server.URL()), Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
	})
}

func mail(to, orderID string) *sesv2.SendEmailInput {
	utf8 := func(s string) *types.Content {
		return &types.Content{Data: aws.String(s), Charset: aws.String("UTF-8")}
	}
	return &sesv2.SendEmailInput{
		FromEmailAddress: aws.String("shop@example.com"),
		Destination:      &types.Destination{ToAddresses: []string{to}},
		Content: &types.EmailContent{Simple: &types.Message{
			Subject: utf8("Confirmed: " + orderID),
			Body:    &types.Body{Text: utf8("text of " + orderID), Html: utf8("<p>html of " + orderID + "</p>")},
			Headers: []types.MessageHeader{{Name: aws.String("X-Order-Id"), Value: aws.String(orderID)}},
		}},
		EmailTags: []types.MessageTag{{Name: aws.String("kind"), Value: aws.String("confirmation")}},
	}
}

func send(t *testing.T, server *sessim.Server, to, orderID string) string {
	t.Helper()
	output, err := client(server).SendEmail(t.Context(), mail(to, orderID))
	require.NoError(t, err)
	return *output.MessageId
}

// ask makes a plain request and returns the response's status, headers and body.
func ask(t *testing.T, server *sessim.Server, method, path, body string, header ...string) (int, http.Header, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, server.URL()+path, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	direct := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := direct.Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, response.Header, string(text)
}

func listed(t *testing.T, server *sessim.Server, query string) []sessim.Message {
	t.Helper()
	status, _, body := ask(t, server, "GET", "/messages"+query, "")
	require.Equal(t, http.StatusOK, status)
	var messages []sessim.Message
	require.NoError(t, json.Unmarshal([]byte(body), &messages))
	return messages
}

func TestSendEmail(t *testing.T) {
	t.Parallel()
	server := start(t, sessim.Options{})
	_, _, body := ask(t, server, "GET", "/messages", "")
	require.JSONEq(t, "[]", body)
	id := send(t, server, "jane@example.com", "order-1")
	_, header, body := ask(t, server, "GET", "/messages", "")
	require.Equal(t, "application/json", header.Get("Content-Type"))
	at := server.Messages()[0].At.Format(time.RFC3339Nano)
	require.JSONEq(t, fmt.Sprintf(`[{"messageId":%q,"to":"jane@example.com","from":"shop@example.com","subject":"Confirmed: order-1",
		"text":"text of order-1","html":"<p>html of order-1</p>","tags":{"kind":"confirmation"},
		"headers":{"X-Order-Id":"order-1"},"configurationSet":"","at":%q}]`, id, at), body)
}

func TestMessages_FilterAndDelete(t *testing.T) {
	t.Parallel()
	server := start(t, sessim.Options{})
	for i := range 4 {
		send(t, server, fmt.Sprintf("a%d@example.com", i%2), fmt.Sprintf("order-%d", i))
	}
	require.Len(t, listed(t, server, "?to=A1@example.com"), 2)
	require.Equal(t, "a1@example.com", listed(t, server, "?orderId=order-3")[0].To)
	require.Empty(t, listed(t, server, "?to=a0@example.com&orderId=order-3"))
	require.Equal(t, "order-3", listed(t, server, "?limit=1")[0].Headers["X-Order-Id"])
	status, _, _ := ask(t, server, "DELETE", "/messages", "")
	require.Equal(t, http.StatusNoContent, status)
	require.Empty(t, server.Messages())
}

func TestFaults_OrderAndRecipient(t *testing.T) {
	t.Parallel()
	server := start(t, sessim.Options{})
	status, _, body := ask(t, server, "POST", "/faults", `{"fault":"throttled","to":"Jane@example.com","count":2}`)
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, `[{"fault":"throttled","count":2,"to":"Jane@example.com"}]`, body)
	_, _, body = ask(t, server, "POST", "/faults", `{"fault":"paused"}`)
	require.JSONEq(t, `[{"fault":"throttled","count":2,"to":"Jane@example.com"},{"fault":"paused","count":1,"to":""}]`, body)

	_, err := client(server).SendEmail(t.Context(), mail("jane@example.com", "order-1"))
	require.ErrorContains(t, err, "TooManyRequestsException")
	_, err = client(server).SendEmail(t.Context(), mail("john@example.com", "order-2"))
	require.ErrorContains(t, err, "SendingPausedException")
	send(t, server, "john@example.com", "order-2")
	_, _, body = ask(t, server, "GET", "/faults", "")
	require.JSONEq(t, `[{"fault":"throttled","count":1,"to":"Jane@example.com"}]`, body)
	status, _, _ = ask(t, server, "DELETE", "/faults", "")
	require.Equal(t, http.StatusNoContent, status)
	send(t, server, "jane@example.com", "order-1")
}

func TestFaults_RealErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		fault  string
		status int
		target error
		kept   int
	}{
		{sessim.FaultThrottled, 429, &types.TooManyRequestsException{}, 0},
		{sessim.FaultQuota, 429, &types.TooManyRequestsException{}, 0},
		{sessim.FaultRejected, 400, &types.MessageRejected{}, 0},
		{sessim.FaultUnverified, 400, &types.MessageRejected{}, 0},
		{sessim.FaultPaused, 400, &types.SendingPausedException{}, 0},
		{sessim.FaultStopped, 400, &types.MessageRejected{}, 0},
		{sessim.FaultNoSet, 400, &types.BadRequestException{}, 0},
		{sessim.FaultBusy, 503, &smithy.GenericAPIError{}, 0},
		{sessim.FaultSuspended, 400, &types.AccountSuspendedException{}, 0},
		{sessim.FaultError, 500, &types.InternalServiceErrorException{}, 0},
		{sessim.FaultLost, 0, nil, 1},
	}
	for _, test := range tests {
		t.Run(test.fault, func(t *testing.T) {
			t.Parallel()
			server := start(t, sessim.Options{})
			require.NoError(t, server.AddFault(sessim.Fault{Fault: test.fault}))
			_, err := client(server).SendEmail(t.Context(), mail("jane@example.com", "order-1"))
			require.Error(t, err)
			if test.target != nil {
				require.IsType(t, test.target, innermost(err))
				require.ErrorContains(t, err, fmt.Sprintf("StatusCode: %d", test.status))
			}
			require.Len(t, server.Messages(), test.kept)
			require.Empty(t, server.Faults())
		})
	}
}

func TestFaults_Hang(t *testing.T) {
	t.Parallel()
	server := start(t, sessim.Options{})
	require.NoError(t, server.AddFault(sessim.Fault{Fault: sessim.FaultHang}))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := client(server).SendEmail(ctx, mail("jane@example.com", "order-1"))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Empty(t, server.Messages())
	require.NoError(t, server.Stop(t.Context()), "and the server does not wait")
}

func TestFaults_Suppressed(t *testing.T) {
	t.Parallel()
	server := start(t, sessim.Options{})
	require.NoError(t, server.AddFault(sessim.Fault{Fault: sessim.FaultSuppressed, To: "jane@example.com"}))
	id := send(t, server, "jane@example.com", "order-1")
	send(t, server, "jane@example.com", "order-2")
	messages := listed(t, server, "")
	require.Equal(t, id, messages[0].MessageID)
	require.True(t, messages[0].Suppressed)
	require.False(t, messages[1].Suppressed)
	_, _, page := ask(t, server, "GET", "/inbox/"+id, "")
	require.Contains(t, page, "suppression list")
}

func innermost(err error) error {
	for {
		wrapper, ok := err.(interface{ Unwrap() error })
		if !ok || wrapper.Unwrap() == nil {
			return err
		}
		err = wrapper.Unwrap()
	}
}

func TestFaults_Invalid(t *testing.T) {
	t.Parallel()
	server := start(t, sessim.Options{})
	tests := []struct{ name, body, want string }{
		{"an unknown one", `{"fault":"flood"}`, "fault: must be"},
		{"none", `{}`, "fault: must be"},
		{"a negative count", `{"fault":"lost","count":-1}`, "count: must be"},
		{"too many", `{"fault":"lost","count":1000001}`, "count: must be"},
		{"a mistyped field", `{"fault":"lost","too":"x"}`, "too"},
		{"two at once", `{"fault":"lost"}{"fault":"lost"}`, "one fault"},
		{"not JSON", `fault=lost`, "invalid"},
		{"a long address", `{"fault":"lost","to":"` + strings.Repeat("a", 400) + `"}`, "to: must be"},
	}
	for _, test := range tests {
		status, _, body := ask(t, server, "POST", "/faults", test.body)
		require.Equal(t, http.StatusBadRequest, status, test.name)
		require.Contains(t, body, test.want, test.name)
	}
	require.Empty(t, server.Faults())
	for range 1000 {
		require.NoError(t, server.AddFault(sessim.Fault{Fault: sessim.FaultLost}))
	}
	require.ErrorContains(t, server.AddFault(sessim.Fault{Fault: sessim.FaultLost}), "too many")
}

func TestAccount(t *testing.T) {
	t.Parallel()
	server := start(t, sessim.Options{})
	send(t, server, "jane@example.com", "order-1")
	account, err := client(server).GetAccount(t.Context(), &sesv2.GetAccountInput{})
	require.NoError(t, err)
	require.True(t, account.SendingEnabled)
	require.True(t, account.ProductionAccessEnabled)
	require.InDelta(t, 1, account.SendQuota.SentLast24Hours, 0)
	require.Positive(t, account.SendQuota.MaxSendRate)
}

func TestSendEmail_InvalidMessage(t *testing.T) {
	t.Parallel()
	content := func(s string) *types.Content { return &types.Content{Data: aws.String(s)} }
	tests := []struct {
		name   string
		change func(*sesv2.SendEmailInput)
		want   string
	}{
		{"no sender", func(i *sesv2.SendEmailInput) { i.FromEmailAddress = nil }, "Empty address"},
		{"no recipient", func(i *sesv2.SendEmailInput) { i.Destination.ToAddresses = nil }, "no recipient"},
		{"a recipient that is none", func(i *sesv2.SendEmailInput) { i.Destination.ToAddresses[0] = "jane" }, "Missing final '@domain'"},
		{"a recipient with a header", func(i *sesv2.SendEmailInput) { i.Destination.ToAddresses[0] = "a@b.c\r\nBcc: x@y.z" }, "Domain contains control or whitespace"},
		{"51 recipients", func(i *sesv2.SendEmailInput) { i.Destination.CcAddresses = make([]string, 50) }, "exceeds 50"},
		{"raw content", func(i *sesv2.SendEmailInput) {
			i.Content = &types.EmailContent{Raw: &types.RawMessage{Data: []byte("x")}}
		}, "not Raw"},
		{"a template", func(i *sesv2.SendEmailInput) {
			i.Content = &types.EmailContent{Template: &types.Template{TemplateName: aws.String("x")}}
		}, "not Template"},
		{"no content", func(i *sesv2.SendEmailInput) { i.Content = &types.EmailContent{} }, "subject and a body"},
		{"no body", func(i *sesv2.SendEmailInput) { i.Content.Simple.Body = &types.Body{} }, "body is empty"},
		{"a subject of two lines", func(i *sesv2.SendEmailInput) { i.Content.Simple.Subject = content("a\nb") }, "one line"},
		{"letters without a charset", func(i *sesv2.SendEmailInput) { i.Content.Simple.Body.Text = content("ä") }, "names no charset"},
		{"a tag with a space", func(i *sesv2.SendEmailInput) { i.EmailTags[0].Value = aws.String("a b") }, "Tags must"},
		{"a tag with a dot", func(i *sesv2.SendEmailInput) { i.EmailTags[0].Value = aws.String("a.b") }, "Tags must"},
		{"a tag that is too long", func(i *sesv2.SendEmailInput) { i.EmailTags[0].Value = aws.String(strings.Repeat("a", 257)) }, "Tags must"},
		{"a tag twice", func(i *sesv2.SendEmailInput) { i.EmailTags = append(i.EmailTags, i.EmailTags[0]) }, "unique"},
		{"a header of two lines", func(i *sesv2.SendEmailInput) { i.Content.Simple.Headers[0].Value = aws.String("a\r\nb") }, "header"},
	}
	server := start(t, sessim.Options{})
	require.NoError(t, server.AddFault(sessim.Fault{Fault: sessim.FaultLost}))
	for _, test := range tests {
		input := mail("jane@example.com", "order-1")
		test.change(input)
		_, err := client(server).SendEmail(t.Context(), input)
		require.IsType(t, &types.BadRequestException{}, innermost(err), test.name)
		require.ErrorContains(t, err, test.want, test.name)
	}
	require.Empty(t, server.Messages())
	require.Len(t, server.Faults(), 1, "an invalid message consumes no fault")
}

func TestSendEmail_UnusualRequests(t *testing.T) {
	t.Parallel()
	const signed = "AWS4-HMAC-SHA256 Credential=id/20260101/eu-west-1/ses/aws4_request, SignedHeaders=host, Signature=abc"
	server := start(t, sessim.Options{})
	tests := []struct {
		name, method, path, body string
		header                   []string
		status                   int
		code                     string
	}{
		{"not signed", "POST", "/v2/email/outbound-emails", "{}", nil, 403, "MissingAuthenticationTokenException"},
		{"signed in another way", "GET", "/v2/email/account", "", []string{"Authorization", "Bearer x"}, 403, "IncompleteSignatureException"},
		{"an operation there is not", "GET", "/v2/email/identities", "", []string{"Authorization", signed}, 404, "UnknownOperationException"},
		{"not JSON", "POST", "/v2/email/outbound-emails", "x", []string{"Authorization", signed}, 400, "BadRequestException"},
		{"a body without end", "POST", "/v2/email/outbound-emails", `{"x":"` + strings.Repeat("x", 2<<20), []string{"Authorization", signed}, 400, "BadRequestException"},
	}
	for _, test := range tests {
		status, header, body := ask(t, server, test.method, test.path, test.body, test.header...)
		require.Equal(t, test.status, status, test.name)
		require.Equal(t, test.code, header.Get("X-Amzn-Errortype"), test.name)
		require.Contains(t, body, `"message"`, test.name)
		require.NotEmpty(t, header.Get("X-Amzn-Requestid"), test.name)
	}
	status, _, _ := ask(t, server, "POST", "/inbox/empty", "", "Origin", "https://elsewhere.example", "Sec-Fetch-Site", "cross-site")
	require.Equal(t, http.StatusForbidden, status, "a page of another site")
	status, _, body := ask(t, server, "GET", "/health/live", "")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "ok\n", body)
}

func TestInbox_SurvivesARestart(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "inbox.jsonl")
	first := start(t, sessim.Options{DataFile: file})
	for i := range 3 {
		send(t, first, "jane@example.com", fmt.Sprintf("order-%d", i))
	}
	want := first.Messages()
	require.NoError(t, first.Stop(t.Context()))

	torn, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = torn.WriteString(`{"messageId":"half of what a kill left`)
	require.NoError(t, err)
	require.NoError(t, torn.Close())

	second := start(t, sessim.Options{DataFile: file})
	require.Equal(t, want, second.Messages())
	send(t, second, "jane@example.com", "order-3")
	require.NoError(t, second.Stop(t.Context()))
	third := start(t, sessim.Options{DataFile: file})
	require.Len(t, third.Messages(), 4)
	status, _, _ := ask(t, third, "DELETE", "/messages", "")
	require.Equal(t, http.StatusNoContent, status)
	send(t, third, "jane@example.com", "order-4")
	require.NoError(t, third.Stop(t.Context()))
	require.Len(t, start(t, sessim.Options{DataFile: file}).Messages(), 1)
}

func TestInbox_ForeignFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "notes.txt")
	require.NoError(t, os.WriteFile(file, []byte("dear diary\nand so on\n"), 0o600))
	_, err := sessim.Start(sessim.Options{Listen: "127.0.0.1:0", DataFile: file})
	require.ErrorContains(t, err, "line 1")
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "dear diary\nand so on\n", string(content))
}

func TestInbox_KeepsTheNewest(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "inbox.jsonl")
	server := start(t, sessim.Options{DataFile: file, Keep: 3})
	for i := range 7 {
		send(t, server, "jane@example.com", fmt.Sprintf("order-%d", i))
	}
	require.Len(t, server.Messages(), 3)
	require.Equal(t, "order-6", server.Messages()[2].Headers["X-Order-Id"])
	want := server.Messages()
	require.NoError(t, server.Stop(t.Context()))
	again := start(t, sessim.Options{DataFile: file, Keep: 3})
	require.Equal(t, want, again.Messages())
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, 3, strings.Count(string(content), "\n"), "a file over its limit was rewritten")
	send(t, again, "jane@example.com", "order-7")
	require.NoError(t, again.Stop(t.Context()))
	require.Equal(t, "order-7", start(t, sessim.Options{DataFile: file, Keep: 3}).Messages()[2].Headers["X-Order-Id"])
}

func TestInboxPage(t *testing.T) {
	t.Parallel()
	server := start(t, sessim.Options{})
	_, header, body := ask(t, server, "GET", "/", "")
	require.Contains(t, body, "No messages yet.")
	require.Contains(t, header.Get("Content-Security-Policy"), "default-src 'none'")
	for i := range 60 {
		send(t, server, fmt.Sprintf("a%d@example.com", i%2), fmt.Sprintf("order-%d", i))
	}
	require.NoError(t, server.AddFault(sessim.Fault{Fault: sessim.FaultLost, Count: 3}))
	_, _, body = ask(t, server, "GET", "/", "")
	require.Less(t, strings.Index(body, "order-59"), strings.Index(body, "order-58"))
	require.NotContains(t, body, "order-9<")
	require.Contains(t, body, "1–50 of 60")
	require.Contains(t, body, "next 3 lost")
	_, _, body = ask(t, server, "GET", "/?page=2", "")
	require.Contains(t, body, "order-9<")
	require.Contains(t, body, "51–60 of 60")
	_, _, body = ask(t, server, "GET", "/?page=99&to=a1@example.com", "")
	require.Contains(t, body, "1–30 of 30", "a page past the end is the last one")
	require.NotContains(t, body, "order-58")
	_, _, body = ask(t, server, "GET", "/?to="+url.QueryEscape(`"><script>`), "")
	require.NotContains(t, body, "<script")
	require.Contains(t, body, "No message matches.")
	status, header, _ := ask(t, server, "POST", "/inbox/empty", "")
	require.Equal(t, http.StatusSeeOther, status)
	require.Equal(t, "/", header.Get("Location"))
	require.Empty(t, server.Messages())
}

func TestMessagePage_HostileEmail(t *testing.T) {
	t.Parallel()
	const evil = `"><script>alert(1)</script>`
	server := start(t, sessim.Options{})
	input := mail("jane@example.com", "order-1")
	for _, part := range []*types.Content{input.Content.Simple.Subject, input.Content.Simple.Body.Text, input.Content.Simple.Body.Html} {
		part.Data = aws.String(evil)
	}
	output, err := client(server).SendEmail(t.Context(), input)
	require.NoError(t, err)
	status, header, body := ask(t, server, "GET", "/inbox/"+*output.MessageId, "")
	require.Equal(t, http.StatusOK, status)
	require.NotContains(t, body, "<script")
	require.Contains(t, body, `sandbox=""`)
	require.Contains(t, body, `srcdoc="&#34;&gt;&lt;script&gt;`)
	require.NotContains(t, header.Get("Content-Security-Policy"), "script-src")
	_, _, body = ask(t, server, "GET", "/", "")
	require.NotContains(t, body, "<script")
	status, _, _ = ask(t, server, "GET", "/inbox/nothing", "")
	require.Equal(t, http.StatusNotFound, status)
}
