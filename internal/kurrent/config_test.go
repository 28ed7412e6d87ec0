package kurrent_test

import (
	"bytes"
	"log"
	"log/slog"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/config"
	"orderflow/internal/kurrent"
)

func TestOpen_RefusedURLs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ url, want string }{
		"nothing":                         {"", "must start with kurrentdb:// or kurrentdb+discover://"},
		"another scheme":                  {"https://localhost:2113", "must start with kurrentdb:// or kurrentdb+discover://"},
		"no host":                         {"kurrentdb://", "each host must be a name or an IPv4 address, with or without a port"},
		"an empty host in a list":         {"kurrentdb://a:1,,b:2", "each host must be a name or an IPv4 address, with or without a port"},
		"an IPv6 address":                 {"kurrentdb://[::1]:2113", "each host must be a name or an IPv4 address, with or without a port"},
		"a port that is not a number":     {"kurrentdb://a:s3cret", "a port must be from 1 to 65535"},
		"a port out of range":             {"kurrentdb://a:65536", "a port must be from 1 to 65535"},
		"a path":                          {"kurrentdb://a:2113/s3cret", "must have no path"},
		"a user without a password":       {"kurrentdb://s3cret@a:2113", "user and password must both be given, or neither"},
		"a password with a slash":         {"kurrentdb://admin:s3cret/s3cret@a:2113", "user and password must be percent-encoded"},
		"a password with a question mark": {"kurrentdb://admin:s3cret?s3cret=s3cret@a:2113", "user and password must be percent-encoded"},
		"a password with an at sign":      {"kurrentdb://admin:s3cret@s3cret@a:2113", "user and password must be percent-encoded"},
		"a password with a percent sign":  {"kurrentdb://admin:s3cret%zz@a:2113", "user and password must be percent-encoded"},
		"plaintext":                       {"kurrentdb://a:2113?tls=false", "tls=false is refused: plaintext is not allowed"},
		"plaintext in capitals":           {"kurrentdb://a:2113?TLS=FALSE", "tls=false is refused: plaintext is not allowed"},
		"any certificate":                 {"kurrentdb://a:2113?tlsVerifyCert=false", "tlsVerifyCert=false is refused: plaintext is not allowed"},
		"contradicting options":           {"kurrentdb://a:2113?tls=true&TLS=false", "tls is given more than once"},
		"an option twice":                 {"kurrentdb://a:2113?tls=true&tls=true", "tls is given more than once"},
		"an invalid boolean":              {"kurrentdb://a:2113?tls=s3cret", "tls must be true or false"},
		"a deadline the client ignores":   {"kurrentdb://a:2113?defaultDeadline=s3cret", "defaultDeadline must be a whole number from 1 to 3600000 milliseconds"},
		"no keepalive":                    {"kurrentdb://a:2113?keepAliveInterval=-1", "keepAliveInterval must be a whole number from 1 to 600000 milliseconds"},
		"an unknown preference":           {"kurrentdb://a:2113?nodePreference=s3cret", "nodePreference must be leader"},
		"a node that may be behind":       {"kurrentdb://a:2113,b:2113?NodePreference=follower", "NodePreference must be leader"},
		"whichever node":                  {"kurrentdb://a:2113,b:2113?nodePreference=random", "nodePreference must be leader"},
		"a replica":                       {"kurrentdb://a:2113,b:2113?nodePreference=readOnlyReplica", "nodePreference must be leader"},
		"a CA file that is not there":     {"kurrentdb://a:2113?tlsCaFile=/s3cret", "tlsCaFile must name a file of PEM certificates"},
		"a certificate without its key":   {"kurrentdb://a:2113?userCertFile=/s3cret", "userCertFile and userKeyFile must name a certificate and its key"},
		"options that cannot be parsed":   {"kurrentdb://a:2113?tls=%zz", "options must be name=value pairs, joined by &"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := kurrent.Open(kurrent.Config{URL: c.url})
			var invalid *config.Error
			require.ErrorAs(t, err, &invalid)
			require.Contains(t, err.Error(), "KURRENTDB_URL: "+c.want)
			require.NotContains(t, err.Error(), "s3cret")
		})
	}
}

func TestOpen_AcceptedURLs(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{
		"one node":                   "kurrentdb://localhost:2113",
		"a trailing slash":           "esdb://localhost:2113/?tls=true",
		"a name to discover":         "kurrentdb+discover://cluster.example:2113",
		"several nodes":              "kurrentdb://a:2113,b:2113,c:2113?nodePreference=leader",
		"several without a port":     "kurrentdb://a,b",
		"credentials":                "kurrentdb://admin:p%40ss%2Fword@localhost",
		"an option of other clients": "kurrentdb://localhost?throwOnAppendFailure=false",
		"everything":                 "kdb://localhost?maxDiscoverAttempts=3&discoveryInterval=5&gossipTimeout=3&keepAliveInterval=100&keepAliveTimeout=100&defaultDeadline=100",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, err := kurrent.Open(kurrent.Config{URL: url})
			require.NoError(t, err)
			client.Close()
		})
	}
}

// The standard logger is the client's own choice: nothing of this package may reach it.
func TestOpen_ClientLog(t *testing.T) {
	var standardLog, ownLog syncBuffer
	writer := log.Writer()
	log.SetOutput(&standardLog)
	t.Cleanup(func() { log.SetOutput(writer) })
	logger := slog.New(slog.NewTextHandler(&ownLog, &slog.HandlerOptions{Level: slog.LevelDebug}))
	url := "kurrentdb://admin:s3cret@" + kurrentsimtest.ClosedAddress(t) + "?tls=false&keepAliveInterval=100&throwOnAppendFailure=false"
	client, err := kurrent.Open(kurrent.Config{URL: url, AllowPlaintext: true, Logger: logger})
	require.NoError(t, err)
	err = pingBriefly(t, client)
	client.Close()
	require.ErrorIs(t, err, kurrent.ErrUnavailable)
	require.ErrorContains(t, err, "connection refused")
	require.Empty(t, standardLog.String())
	require.Contains(t, ownLog.String(), "level=DEBUG msg=\"kurrentdb client: discovery attempt 1/1\"")
	require.Contains(t, ownLog.String(), "options=[throwOnAppendFailure]")
	require.NotContains(t, ownLog.String()+err.Error(), "s3cret")
}

// syncBuffer is a buffer that may be written to while it is read.
type syncBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (l *syncBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.Write(p)
}

func (l *syncBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.String()
}
