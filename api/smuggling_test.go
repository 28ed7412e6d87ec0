package main

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/access"
	"orderflow/internal/config"
)

// A request that two servers in a row could delimit in two ways is refused, or delimited
// as HTTP says. What follows it is never part of it.
func TestServer_DelimitsRequestsOneWay(t *testing.T) {
	t.Parallel()
	addr := serveAPI(t, shared.api())
	const (
		post = "POST /customers/c/credit-limit HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n"
		last = "GET /style.css HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
	)
	for name, c := range map[string]struct {
		sent string
		want []int
	}{
		"two lengths":                     {post + "Content-Length: 0\r\nContent-Length: 5\r\n\r\n" + last, []int{400}},
		"a list of lengths":               {post + "Content-Length: 0, 5\r\n\r\n" + last, []int{400}},
		"a length with a sign":            {post + "Content-Length: +5\r\n\r\n" + last, []int{400}},
		"a length in hexadecimal":         {post + "Content-Length: 0x5\r\n\r\n" + last, []int{400}},
		"a negative length":               {post + "Content-Length: -1\r\n\r\n" + last, []int{400}},
		"both, as the chunks say":         {post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + last, []int{405, 200}},
		"an unknown encoding":             {post + "Transfer-Encoding: xchunked\r\n\r\n" + last, []int{501}},
		"chunked twice":                   {post + "Transfer-Encoding: chunked, chunked\r\n\r\n" + last, []int{501}},
		"two encodings":                   {post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + last, []int{501}},
		"an encoding behind a tab":        {post + "Transfer-Encoding:\x0bchunked\r\n\r\n" + last, []int{400}},
		"a blank before a colon":          {post + "Transfer-Encoding : chunked\r\n\r\n" + last, []int{400}},
		"a line feed in a header":         {post + "X: a\x00b\r\n\r\n" + last, []int{400}},
		"a carriage return in a header":   {post + "X: a\rTransfer-Encoding: chunked\r\n\r\n" + last, []int{400}},
		"a chunk's size in two ways":      {post + "Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n" + last, []int{405}},
		"a chunk's size that overflows":   {post + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n" + last, []int{405}},
		"a header of the trailer":         {post + "Transfer-Encoding: chunked\r\nTrailer: Authorization\r\n\r\n0\r\nAuthorization: x\r\n\r\n" + last, []int{405, 200}},
		"no host":                         {"GET /style.css HTTP/1.1\r\n\r\n", []int{400}},
		"two hosts":                       {"GET /style.css HTTP/1.1\r\nHost: localhost\r\nHost: evil.example.com\r\n\r\n", []int{400}},
		"a host that is none":             {"GET /style.css HTTP/1.1\r\nHost: local host\r\n\r\n", []int{400}},
		"HTTP/2 without TLS":              {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", []int{421}},
		"HTTP/2 by an upgrade":            {strings.Replace(last, "close\r\n", "Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n", 1), []int{200}},
		"an upgrade to a socket":          {strings.Replace(last, "close\r\n", "Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n", 1), []int{200}},
		"a URL of another host":           {strings.Replace(last, "/style.css", "http://evil.example.com/style.css", 1), []int{421}},
		"a URL of this host, for another": {strings.Replace(strings.Replace(last, "/style.css", "http://localhost/style.css", 1), "Host: localhost", "Host: evil.example.com", 1), []int{200}},
		"a proxy's method":                {"CONNECT evil.example.com:443 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", []int{421}},
		"the method that repeats":         {strings.Replace(last, "GET /style.css", "TRACE /", 1), []int{405}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			statuses, bodies := send(t, addr, c.sent)
			require.Equal(t, c.want, statuses, bodies)
		})
	}
}

// The path decides the route, and the route the role: no spelling of a path or of a method
// reaches a handler around it.
func TestServer_OddPathsReachNoOtherRole(t *testing.T) {
	t.Parallel()
	a := shared.api()
	withCodecServer(t, a)
	withTokens(t, a, tokenLine("reader", token, access.Read))
	addr := serveAPI(t, a)
	id := newID()
	paths := []string{
		"/orders/" + id + "/cancel", "//orders/" + id + "/cancel", "/orders//" + id + "/cancel", "/orders/./" + id + "/cancel", "/orders/x/../" + id + "/cancel",
		"/orders/" + id + "%2fcancel", "/%6frders/" + id + "/cancel", "/orders/" + id + "/cancel/", "/orders/" + id + "/cancel%00", "/orders/" + id + "/cancel;x",
		"/orders/" + id + "/cancel?", "/ORDERS/" + id + "/cancel", "/orders\\" + id + "\\cancel", "/orders/%2e%2e/orders/" + id + "/cancel", "http://localhost/orders/" + id + "/cancel",
		"/orders", "/orders/", "//orders", "/%2forders", "/customers", "/customers/c/credit-limit", "/customers/c%2fcredit-limit", "/style.css/../customers",
		"/codec/decode", "/codec/encode", "//codec/decode", "/codec//decode", "/codec%2fdecode", "/codec/%64ecode", "/codec/./decode", "/codec/decode/", "/CODEC/decode", "/codec/decode%00", "/style.css/../codec/decode", "*",
	}
	for _, path := range paths {
		for _, method := range []string{"POST", "PUT", "post", "PATCH", "PROPFIND"} {
			for _, override := range []string{"", "X-HTTP-Method-Override: POST\r\nX-Original-URL: /codec/decode\r\nX-Rewrite-URL: /customers\r\nX-Forwarded-Host: localhost\r\n"} {
				statuses, bodies := send(t, addr, method+" "+path+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer "+token+
					"\r\nContent-Type: application/json\r\n"+override+"Content-Length: 14\r\n\r\n{\"payloads\":[]")
				require.Len(t, statuses, 1)
				require.GreaterOrEqual(t, statuses[0], 300, "%s %s: %s", method, path, bodies)
				require.Less(t, statuses[0], 500, "%s %s: %s", method, path, bodies)
				require.NotContains(t, []int{http.StatusUnprocessableEntity, http.StatusUnsupportedMediaType}, statuses[0], "no handler read %s %s", method, path)
			}
		}
		statuses, _ := send(t, addr, "POST "+path+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		require.Len(t, statuses, 1)
		require.Contains(t, []int{http.StatusUnauthorized, http.StatusBadRequest}, statuses[0], path)
	}
}

// A caller who may not send a body is not asked for it.
func TestServer_AsksForBodyByRole(t *testing.T) {
	t.Parallel()
	a := shared.api()
	withCodecServer(t, a)
	withTokens(t, a, tokenLine("reader", token, access.Read))
	addr := serveAPI(t, a)
	for _, path := range []string{"/orders", "/codec/decode"} {
		for presented, want := range map[string]int{token: http.StatusForbidden, "unknown": http.StatusUnauthorized} {
			statuses, _ := send(t, addr, "POST "+path+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer "+presented+
				"\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 1000000000\r\n\r\n")
			require.Equal(t, []int{want}, statuses, path)
		}
	}
}

// A caller who may not decrypt learns nothing about payloads or keys: each refusal is the
// same, byte for byte.
func TestCodec_IsNoOracle(t *testing.T) {
	t.Parallel()
	a := shared.api()
	payload := withCodecServer(t, a)
	withTokens(t, a, tokenLine("reader", token, access.Read))
	c := newClient(t, a)
	good := payloadsOf(t, payload)
	payload.Metadata["encryption-key-id"] = []byte("unknown")
	unknownKey := payloadsOf(t, payload)
	payload.Metadata["encryption-key-id"], payload.Data[20] = []byte("a"), payload.Data[20]^1
	damaged := payloadsOf(t, payload)
	for _, as := range []func(*http.Request){bearer(token), bearer("unknown"), func(*http.Request) {}} {
		refused := map[string]bool{}
		for _, sent := range []any{good, unknownKey, damaged, []byte("{"), nil, []byte(strings.Repeat("x", 9<<20))} {
			for _, path := range []string{"/codec/decode", "/codec/encode"} {
				got := c.ask("POST", path, sent, as)
				refused[got.body] = true
				require.Contains(t, []int{http.StatusUnauthorized, http.StatusForbidden}, got.status)
			}
		}
		require.Len(t, refused, 1)
	}
	a.codec = nil
	require.Equal(t, http.StatusUnauthorized, newClient(t, a).ask("POST", "/codec/decode", good).status, "without a token, a caller does not learn if there are keys")
}

// Requests without a valid token use up neither the rate of a token nor the slots.
func TestLimitRate_WithoutToken(t *testing.T) {
	t.Parallel()
	a := shared.api()
	withTokens(t, a, tokenLine("shop", token, access.Read))
	a.limit = newRateLimit(1, 3)
	addr := serveAPI(t, a)
	request := func(token string) string {
		return "GET /style.css HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + token + "\r\n"
	}
	statuses, _ := send(t, addr, strings.Repeat(request("unknown")+"\r\n", maxRequests+1)+request(token)+"Connection: close\r\n\r\n")
	require.Len(t, statuses, maxRequests+2)
	require.Equal(t, http.StatusOK, statuses[maxRequests+1])
	require.Equal(t, http.StatusUnauthorized, statuses[0])
	require.Equal(t, http.StatusUnauthorized, statuses[maxRequests])
	require.Len(t, a.limit.buckets, 1, "an unknown token takes no memory")
}

// forged is text that tries to begin another line, and to move a terminal's cursor.
const forged = "x\r\ntime=2026-01-01T00:00:00Z level=INFO msg=audit token=forged\x1b[2J\x1b]0;forged\x07\u2028\u0085"

func TestLogs_OneLinePerEntry(t *testing.T) {
	t.Parallel()
	for _, format := range []config.LogFormat{config.LogText, config.LogJSON} {
		t.Run(string(format), func(t *testing.T) {
			t.Parallel()
			log := &lockedBuffer{}
			a := broken{err: errors.New(forged)}.over(&bytes.Buffer{}) // what a store answers is not to be trusted either
			withTokens(t, a, tokenLine("ops", token, access.Roles()...))
			a.logger = config.Log{Level: slog.LevelDebug, Format: format}.Logger(log)
			c := newClient(t, a)
			everywhere(c, func(r *http.Request) {
				bearer(token)(r)
				for _, header := range []string{"User-Agent", "Referer", "Traceparent", "X-Forwarded-For", "X-Request-Id"} {
					r.Header.Set(header, strings.NewReplacer("\r", " ", "\n", " ", "\x1b", " ", "\x07", " ").Replace(forged))
				}
			}, func(string, reply) {})
			addr := serveAPI(t, a)
			send(t, addr, "GET /orders/"+strings.ReplaceAll(forged, " ", "%20")+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
			send(t, addr, "GET /\x1b[2J HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX: \x1b[2J\r\n\r\n")
			begins := map[config.LogFormat]string{config.LogText: "time=", config.LogJSON: `{"time":`}[format]
			for line := range strings.Lines(strings.TrimSuffix(log.String(), "\n")) {
				line = strings.TrimSuffix(line, "\n")
				require.True(t, strings.HasPrefix(line, begins), line)
				require.False(t, strings.HasPrefix(line, "time=2026-01-01"), line)
				require.NotRegexp(t, regexp.MustCompile(`[\x00-\x1f\x7f\x{2028}\x{2029}]`), line)
			}
			require.Contains(t, log.String(), "forged", "the cause is logged")
		})
	}
}

// lockedBuffer keeps a log that is read while a server writes it.
type lockedBuffer struct {
	mu  sync.Mutex
	log bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.log.String()
}
