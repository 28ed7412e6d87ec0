package kurrent_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver"
	"orderflow/dev/devserver/devservertest"
	"orderflow/dev/kurrentsim"
	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/kurrent"
)

// lineLog keeps log lines.
type lineLog struct {
	mu    sync.Mutex
	lines bytes.Buffer
}

func (l *lineLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines.Write(line)
}

func (l *lineLog) count(part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.lines.String(), part)
}

func eventually(t *testing.T, condition func(c *assert.CollectT)) {
	t.Helper()
	require.EventuallyWithT(t, condition, kurrentsimtest.WaitLimit, 10*time.Millisecond)
}

func TestClient_RenewsCredentials(t *testing.T) {
	t.Parallel()
	s := newSecureServer(t)
	s.write("$$locked", "$metadata", `{"$acl":{"$w":["other"]}}`)
	file := filepath.Join(t.TempDir(), "url")
	write := func(content string) { require.NoError(t, os.WriteFile(file, []byte(content+"\n"), 0o600)) }
	write(s.server.URLFor("starter"))
	var log lineLog
	client, err := kurrent.Open(kurrent.Config{
		URL: s.server.URLFor("starter"), URLFile: file, CallTimeout: kurrentsimtest.WaitLimit, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	require.ErrorIs(t, appendOne(t.Context(), client, "locked"), kurrent.ErrAccessDenied)

	write(s.server.URLFor("other"))
	eventually(t, func(c *assert.CollectT) { require.NoError(c, appendOne(t.Context(), client, "locked")) })

	for i, unusable := range []string{"", "kurrentdb://", strings.Replace(s.server.URLFor("starter"), s.server.Addr(), "127.0.0.1:1", 1)} {
		write(unusable)
		eventually(t, func(c *assert.CollectT) {
			require.NoError(t, appendOne(t.Context(), client, "locked"), "the previous user works")
			require.Equal(c, i+1, log.count("using the previous ones"))
		})
	}
	write(s.server.URLFor("starter"))
	eventually(t, func(c *assert.CollectT) {
		require.ErrorIs(c, appendOne(t.Context(), client, "locked"), kurrent.ErrAccessDenied)
	})
	require.Zero(t, log.count(kurrentsimtest.Password+"@"))
}

// The certificate of the server is its own authority, so both change at once.
func TestClient_RenewsAuthorities(t *testing.T) {
	t.Parallel()
	certificate, key := devservertest.Certificate(t, "node", time.Now().Add(time.Hour))
	address := kurrentsimtest.ClosedAddress(t)
	server := kurrentsimtest.StartServerWith(t, kurrentsim.Options{TLS: &kurrentsim.TLSOptions{
		Listen: address, CertFile: certificate, KeyFile: key, Users: []kurrentsim.User{kurrentsimtest.User("worker")},
	}})
	client, err := kurrent.Open(kurrent.Config{
		URL:         "kurrentdb://worker:" + kurrentsimtest.Password + "@" + address + "?gossipTimeout=1&tlsCaFile=" + certificate,
		CallTimeout: kurrentsimtest.WaitLimit,
	})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	require.NoError(t, client.Ping(t.Context()))

	server.Stop()
	_, _, err = devserver.WriteCertificate(filepath.Dir(certificate), "node", time.Now().Add(2*time.Hour))
	require.NoError(t, err)
	server.Start()
	eventually(t, func(c *assert.CollectT) { require.NoError(c, client.Ping(t.Context())) })
}
