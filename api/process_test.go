package main

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/dev/faultproxy"
	"orderflow/internal/access"
	"orderflow/internal/config"
)

func TestProcess(t *testing.T) {
	t.Parallel()
	binary := build(t)
	t.Run("finishes the request it has when it is stopped, and exits with 0", func(t *testing.T) { finishes(t, binary) })
	t.Run("serves TLS to callers with a token, at a limited rate", func(t *testing.T) { servesTLS(t, binary) })
	t.Run("exits with 2 when its environment is wrong", func(t *testing.T) {
		code, said := exit(t, exec.CommandContext(t.Context(), binary))
		require.Equal(t, 2, code)
		require.Contains(t, said, "KURRENTDB_URL: is required")
		require.Contains(t, said, "POSTGRES_URL: is required")
	})
	t.Run("exits with 1 when its port is taken", func(t *testing.T) {
		taken, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer taken.Close()
		code, said := exit(t, process(t, binary, shared.kurrentURL, taken.Addr().String()))
		require.Equal(t, 1, code, said)
		require.Contains(t, said, "listen for requests")
	})
	t.Run("prints help and its version, and has no subcommands", func(t *testing.T) {
		for flag, want := range map[string]string{"--help": "usage: api [--help | --version]\n", "--version": "api "} {
			printed, err := exec.CommandContext(t.Context(), binary, flag).Output()
			require.NoError(t, err)
			require.Contains(t, string(printed), want)
		}
		code, said := exit(t, exec.CommandContext(t.Context(), binary, "serve"))
		require.Equal(t, 2, code)
		require.Contains(t, said, "arguments: must be none, --help or --version")
	})
}

// build makes the binary.
func build(t *testing.T) (binary string) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), "api")
	built, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, string(built))
	return binary
}

// process has the settings of a production one, by its environment.
func process(t *testing.T, binary, kurrentURL, addr string) *exec.Cmd {
	t.Helper()
	c := exec.CommandContext(t.Context(), binary)
	c.Env = append(os.Environ(), "KURRENTDB_URL="+kurrentURL, "KURRENTDB_ALLOW_PLAINTEXT=true", "POSTGRES_URL="+shared.postgresURL,
		"TEMPORAL_ADDRESS="+shared.temporalAddress, "API_ADDR="+addr)
	return c
}

func exit(t *testing.T, c *exec.Cmd) (int, string) {
	t.Helper()
	said, err := c.CombinedOutput()
	require.Error(t, err)
	return c.ProcessState.ExitCode(), string(said)
}

// finishes stops the process while the event store has an order and its response is in
// transit.
func finishes(t *testing.T, binary string) {
	address, query, _ := strings.Cut(strings.TrimPrefix(shared.kurrentURL, "kurrentdb://"), "?")
	proxy, err := faultproxy.Start(strings.TrimSuffix(address, "/"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, proxy.Close()) })
	running := process(t, binary, "kurrentdb://"+proxy.Addr()+"?"+query, "127.0.0.1:0")
	var log lines
	running.Stderr, running.Env = &log, append(running.Env, "OPS_ADDR=127.0.0.1:0")
	require.NoError(t, running.Start())
	ready := "http://" + log.await(t, `serving operations.* address=(\S+)`) + "/readyz"
	c := &caller{
		t: t, ctx: t.Context(), url: "http://" + log.await(t, `api is running.*(127\.0\.0\.1:\d+)`),
		client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}},
	}
	require.Equal(t, http.StatusCreated, c.post("/orders", body(newID(), newCustomerID(), nil)).status)

	live := c.listen("/live")
	id, status := newID(), make(chan int, 1)
	stored := func() error { _, err := shared.orders.FindPlaced(t.Context(), id); return err }
	proxy.StallResponse(func([]byte) bool { return stored() == nil })
	request := c.request(http.MethodPost, "/orders", body(id, newCustomerID(), nil))
	go func() { status <- c.status(request) }()
	until(t, func(now teller) { require.NoError(now, stored()) })
	require.NoError(t, running.Process.Signal(syscall.SIGTERM))
	log.await(t, "(api is stopping)")
	for range live { // it ends at once, and holds nothing up
	}
	draining, err := c.client.Get(ready)
	require.NoError(t, err)
	require.NoError(t, draining.Body.Close())
	require.Equal(t, http.StatusServiceUnavailable, draining.StatusCode, "no new requests, please")
	proxy.Resume()
	require.Equal(t, http.StatusCreated, <-status)
	require.NoError(t, running.Wait(), log.String())
	require.Len(t, readAll(t, id), 1)
	require.NotContains(t, log.String(), id, "no id is logged")
}

// lines is a log that is read while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// await waits until the log holds something, and gives the group of it.
func (l *lines) await(t *testing.T, pattern string) (found string) {
	t.Helper()
	until(t, func(now teller) {
		match := regexp.MustCompile(pattern).FindStringSubmatch(l.String())
		require.Len(now, match, 2, "%s in %s", pattern, l)
		found = match[1]
	})
	return found
}

func TestSettings_RefuseUnsafeValues(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	const open = "API_ADDR: must be a loopback address unless API_TOKENS_FILE or API_TOKEN_FILE is set"
	const missing = "names a file that cannot be read: no such file or directory"
	const form = "API_TOKEN_FILE: must hold one token of 16 to 4096 bytes without blanks"
	for given, want := range map[string]string{
		"API_ADDR=:8080":                                            open,
		"API_ADDR=0.0.0.0:8080":                                     open,
		"API_ADDR=192.0.2.1:8080":                                   open,
		"API_ADDR=[::]:8080":                                        open,
		"API_ADDR=nonsense":                                         "API_ADDR: ",
		"API_TOKEN_FILE=" + filepath.Join(dir, "missing"):           "API_TOKEN_FILE: " + missing,
		"API_TOKENS_FILE=" + filepath.Join(dir, "missing"):          "API_TOKENS_FILE: " + missing,
		"API_TOKENS_FILE=" + file("roles", "shop secret x\n\nops"):  "API_TOKENS_FILE: line 1 has a role that is none of read, place, operate, credit, decode; line 3 must be NAME",
		"API_TOKEN_FILE=" + file("short", "secret\n"):               form,
		"API_TOKEN_FILE=" + file("two", token+" "+token):            form,
		"API_TOKEN_FILE=" + file("long", strings.Repeat("x", 5000)): form,
		"API_RATE_LIMIT=-1":                                         "API_RATE_LIMIT: must be from 0 to 100000",
		"API_RATE_LIMIT=100001":                                     "API_RATE_LIMIT: must be from 0 to 100000",
		"API_RATE_BURST=0":                                          "API_RATE_BURST: must be from 1 to 100000",
		"API_TLS_CERT_FILE=" + file("cert", "secret"):               "API_TLS_KEY_FILE: is required with API_TLS_CERT_FILE",
		"API_TLS_KEY_FILE=" + file("key", "secret"):                 "API_TLS_CERT_FILE: is required with API_TLS_KEY_FILE",
		"API_TEMPORAL_UI_URL=javascript:alert(1)":                   "API_TEMPORAL_UI_URL: must be an http or https URL",
		"API_STREAMS_UI_URL=localhost:2113":                         "API_STREAMS_UI_URL: must be an http or https URL",
		"API_INBOX_URL=file:///etc/passwd":                          "API_INBOX_URL: must be an http or https URL",
		"SHUTDOWN_TIMEOUT=soon":                                     "SHUTDOWN_TIMEOUT: ",
	} {
		err := run(t.Context(), []string{
			"KURRENTDB_URL=kurrentdb://127.0.0.1:1?tls=false", "KURRENTDB_ALLOW_PLAINTEXT=true", "POSTGRES_URL=postgres://127.0.0.1:1/x", given,
		}, io.Discard)
		require.ErrorContains(t, err, want, given)
		require.Equal(t, 2, config.ExitCode(err), given)
		require.NotContains(t, err.Error(), "secret", "a token is not repeated")
	}
	var single settings
	single.API.TokenFile = file("good", " "+token+"\n")
	tokens, err := openTokens(single, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	got, known := tokens.Authenticate(token)
	require.True(t, known)
	require.True(t, got.May(access.Credit), "the one token has every role")
	single.API.TokensFile, single.API.Addr, single.API.RateBurst = "another", ":8080", 1
	require.Equal(t, []config.Fault{{Name: "API_TOKEN_FILE", Problem: "must not be set together with API_TOKENS_FILE"}}, single.Validate())
	for _, addr := range []string{"127.0.0.1:8080", "localhost:0", "[::1]:80", "127.8.8.8:1"} {
		s := settings{}
		s.API.Addr, s.API.RateBurst = addr, 1
		require.Empty(t, s.Validate(), addr)
		s.API.Addr, s.API.TokensFile = ":8080", "file"
		require.Empty(t, s.Validate(), "with tokens, from everywhere")
		s.API.TokensFile, s.API.TokenFile = "", "file"
		require.Empty(t, s.Validate(), "with a token, from everywhere")
	}
}

func TestLinks_Stream(t *testing.T) {
	t.Parallel()
	var s settings
	s.Links.Streams = "https://events.example.com/web/index.html#/streams/{stream}"
	require.Equal(t, "https://events.example.com/web/index.html#/streams/order-1", newLinks(s, "n").Stream("order-1"))
	require.Empty(t, newLinks(settings{}, "n").Stream("order-1"))
}
