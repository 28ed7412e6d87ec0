package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience is far longer than any answer takes. No test waits for it to pass.
const patience = time.Minute

// serveAPI serves an api as run does. change may shorten what a test would wait for.
func serveAPI(t *testing.T, a *api, change ...func(*http.Server)) (addr string) {
	t.Helper()
	server := newServer(nil, a.handler(), a.logger)
	for _, shorten := range change {
		shorten(server)
	}
	return serveServer(t, maxConnections, server)
}

// connect opens a connection on which a test sends bytes of its own.
func connect(t *testing.T, addr string) net.Conn {
	t.Helper()
	connection, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = connection.Close() })
	require.NoError(t, connection.SetDeadline(time.Now().Add(patience)))
	return connection
}

// send sends bytes, and returns the statuses of all responses up to the end of the
// connection. The server must end it.
func send(t *testing.T, addr, request string) (statuses []int, bodies string) {
	t.Helper()
	connection := connect(t, addr)
	go func() { _, _ = io.WriteString(connection, request) }() // the server may stop to read early
	from := bufio.NewReader(connection)
	for {
		response, err := http.ReadResponse(from, nil)
		if err != nil {
			var late net.Error
			require.False(t, errors.As(err, &late) && late.Timeout(), "the connection stays open after %v to %q", statuses, request)
			return statuses, bodies
		}
		body, _ := io.ReadAll(response.Body) // a refusal may end early
		statuses, bodies = append(statuses, response.StatusCode), bodies+string(body)
	}
}

func TestServer_BoundsEveryWait(t *testing.T) {
	t.Parallel()
	s := newServer(nil, http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	require.Positive(t, s.ReadHeaderTimeout)
	require.Positive(t, s.ReadTimeout)
	require.Positive(t, s.WriteTimeout)
	require.Positive(t, s.IdleTimeout)
	require.Positive(t, s.MaxHeaderBytes)
	require.Nil(t, s.Protocols, "no HTTP/2 without TLS")
}

func TestServer_EndsSlowConnections(t *testing.T) {
	t.Parallel()
	a := shared.api()
	withTokens(t, a, tokenLine("shop", token, "place"))
	// With less time, a busy machine would end the connection before it has read anything.
	slowHeader := serveAPI(t, a, func(s *http.Server) { s.ReadHeaderTimeout = 2 * time.Second })
	slowBody := serveAPI(t, a, func(s *http.Server) { s.ReadTimeout = 2 * time.Second })
	const head = "POST /orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAuthorization: Bearer " + token + "\r\n"
	for name, c := range map[string]struct {
		sent   string
		status []int
	}{
		"nothing":             {"", nil},
		"half a request line": {"POST /ord", []int{http.StatusBadRequest}},
		"half a header":       {"POST /orders HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", nil},
		"half a body":         {head + "Content-Length: 1000\r\n\r\n{", []int{http.StatusBadRequest}},
		"half a chunk":        {head + "Transfer-Encoding: chunked\r\n\r\n5\r\n{", []int{http.StatusBadRequest}},
		"an unfinished size":  {head + "Transfer-Encoding: chunked\r\n\r\n5", []int{http.StatusBadRequest}},
		"a body without a token": {
			strings.Replace(head, token, "unknown", 1) + "Content-Length: 1000\r\n\r\n{", []int{http.StatusUnauthorized},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := slowHeader
			if strings.HasPrefix(c.sent, "POST /orders HTTP/1.1\r\n") && strings.Contains(c.sent, "\r\n\r\n") {
				addr = slowBody
			}
			statuses, _ := send(t, addr, c.sent)
			require.Equal(t, c.status, statuses)
		})
	}
}

func TestServer_EndsSlowHandshakes(t *testing.T) {
	t.Parallel()
	rig := newTLSRig(t, func(s *http.Server) { s.ReadHeaderTimeout = 100 * time.Millisecond })
	for _, sent := range []string{"", "\x16\x03\x01\x02\x00"} {
		statuses, _ := send(t, rig.addr, sent)
		require.Empty(t, statuses)
	}
}

func TestServer_LimitsConnections(t *testing.T) {
	t.Parallel()
	addr := serveServer(t, 2, newServer(nil, shared.api().handler(), slog.New(slog.DiscardHandler)))
	first, second := connect(t, addr), connect(t, addr)
	const request = "GET /style.css HTTP/1.1\r\nHost: localhost\r\n\r\n"
	for _, held := range []net.Conn{first, second} { // both are accepted
		_, err := io.WriteString(held, request)
		require.NoError(t, err)
		_, err = http.ReadResponse(bufio.NewReader(held), nil)
		require.NoError(t, err)
	}
	third := connect(t, addr)
	_, err := io.WriteString(third, request)
	require.NoError(t, err)
	require.NoError(t, first.Close())
	response, err := http.ReadResponse(bufio.NewReader(third), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode)
}

func TestServer_RefusesManyOrLargeHeaders(t *testing.T) {
	t.Parallel()
	addr := serveAPI(t, shared.api())
	for name, headers := range map[string]string{
		"one large header":   "X-Large: " + strings.Repeat("x", 64<<10) + "\r\n",
		"many small headers": strings.Repeat("a: b\r\n", 10_000),
		"many cookies":       strings.Repeat("Cookie: a=b\r\n", 5000),
		"one long name":      strings.Repeat("x", 64<<10) + ": b\r\n",
	} {
		statuses, _ := send(t, addr, "GET / HTTP/1.1\r\nHost: localhost\r\n"+headers+"\r\n")
		require.Equal(t, []int{http.StatusRequestHeaderFieldsTooLarge}, statuses, name)
	}
	statuses, _ := send(t, addr, "GET /"+strings.Repeat("x", 64<<10)+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
	require.Equal(t, []int{http.StatusRequestHeaderFieldsTooLarge}, statuses, "a long path")
}

func TestServer_RefusesLargeHeadersOverHTTP2(t *testing.T) {
	t.Parallel()
	rig := newTLSRig(t)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: rig.roots, ServerName: "localhost"}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	ask := func(size int) (*http.Response, error) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+rig.addr+"/style.css", http.NoBody)
		require.NoError(t, err)
		r.Host = "localhost"
		r.Header.Set("X-Large", strings.Repeat("x", size))
		return transport.RoundTrip(r)
	}
	got, err := ask(1)
	require.NoError(t, err)
	require.NoError(t, got.Body.Close())
	require.Equal(t, 2, got.ProtoMajor)
	require.Equal(t, http.StatusOK, got.StatusCode)
	got, err = ask(1 << 20)
	if err == nil { // the server's answer, unless the client obeys the limit that the server announced
		_ = got.Body.Close()
		require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, got.StatusCode)
	}
}

// What a body announces to be once it is decompressed is never tried.
func TestBody_IsNeverDecompressed(t *testing.T) {
	t.Parallel()
	a := shared.api()
	withCodecServer(t, a)
	addr := serveAPI(t, a)
	var bomb bytes.Buffer
	compressed := gzip.NewWriter(&bomb)
	_, err := io.WriteString(compressed, `{"payloads":[]}`+strings.Repeat(" ", 1<<20)) // which both routes would read as JSON
	require.NoError(t, err)
	require.NoError(t, compressed.Close())
	for _, path := range []string{"/orders", "/codec/decode", "/codec/encode"} {
		for headers, want := range map[string]int{
			"Content-Encoding: gzip\r\n": 0, "Content-Encoding: identity\r\nContent-Encoding: gzip\r\n": 0,
			"Content-Encoding: identity, gzip\r\n": 0, "Transfer-Encoding: gzip, chunked\r\n": http.StatusNotImplemented,
		} {
			length := fmt.Sprintf("Content-Length: %d\r\n", bomb.Len())
			statuses, _ := send(t, addr, "POST "+path+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"+
				headers+length+"\r\n"+bomb.String())
			require.Len(t, statuses, 1, headers)
			if want == 0 {
				require.Contains(t, []int{http.StatusBadRequest, http.StatusUnsupportedMediaType}, statuses[0], path+" "+headers)
			} else {
				require.Equal(t, want, statuses[0], path+" "+headers)
			}
		}
	}
}
