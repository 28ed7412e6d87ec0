package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"orderflow/internal/access"
	"orderflow/internal/config"
)

// keyPair writes a certificate for localhost and its key, both in PEM, and returns a pool
// that trusts it.
func keyPair(t *testing.T, cert, key string, serial int64) *x509.CertPool {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "orderflow"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed})
	writeFile(t, key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})))
	writeFile(t, cert, string(certPEM))
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(certPEM))
	return pool
}

// tlsRig is an api that serves TLS.
type tlsRig struct {
	cert, key string
	roots     *x509.CertPool
	addr      string
}

func newTLSRig(t *testing.T, change ...func(*http.Server)) tlsRig {
	t.Helper()
	dir := t.TempDir()
	rig := tlsRig{cert: filepath.Join(dir, "tls.crt"), key: filepath.Join(dir, "tls.key")}
	rig.roots = keyPair(t, rig.cert, rig.key, 1)
	var s settings
	s.TLS.CertFile, s.TLS.KeyFile = rig.cert, rig.key
	c, err := openCertificate(s, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	server := newServer(tlsConfig(c), shared.api().handler(), slog.New(slog.DiscardHandler))
	for _, shorten := range change {
		shorten(server)
	}
	rig.addr = serveServer(t, maxConnections, server)
	return rig
}

// serveServer serves as run does, until the test has ended, and returns the address.
func serveServer(t *testing.T, limit int, server *http.Server) (addr string) {
	t.Helper()
	listener, err := listen(t.Context(), "127.0.0.1:0", limit)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, listener, server, time.Minute, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
	})
	return listener.Addr().String()
}

// connect returns the state of a new connection.
func (r tlsRig) connect(config *tls.Config) (state tls.ConnectionState, err error) {
	config.RootCAs, config.ServerName = r.roots, "localhost"
	connection, err := tls.Dial("tcp", r.addr, config)
	if err != nil {
		return state, err
	}
	defer connection.Close()
	return connection.ConnectionState(), nil
}

func TestTLS(t *testing.T) {
	t.Parallel()
	rig := newTLSRig(t)
	t.Run("serves HTTP/1.1 and HTTP/2", func(t *testing.T) {
		for _, http2 := range []bool{false, true} {
			client := http.Client{Transport: &http.Transport{
				TLSClientConfig: &tls.Config{RootCAs: rig.roots, ServerName: "localhost"}, ForceAttemptHTTP2: http2, DisableKeepAlives: true,
			}}
			response, err := client.Get("https://" + rig.addr + "/style.css")
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())
			require.Equal(t, http.StatusOK, response.StatusCode)
			require.Equal(t, http2, response.ProtoMajor == 2)
		}
	})
	t.Run("accepts TLS 1.2 and newer only", func(t *testing.T) {
		_, err := rig.connect(&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
		require.ErrorContains(t, err, "protocol version")
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			state, err := rig.connect(&tls.Config{MinVersion: version, MaxVersion: version})
			require.NoError(t, err)
			require.Equal(t, version, state.Version)
		}
	})
	t.Run("refuses plain HTTP", func(t *testing.T) {
		response, err := http.Get("http://" + rig.addr + "/style.css")
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusBadRequest, response.StatusCode)
	})
	t.Run("uses a renewed certificate for the next connection", func(t *testing.T) {
		client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: rig.roots, ServerName: "localhost"}}}
		defer client.CloseIdleConnections()
		serial := func() (*big.Int, error) {
			response, err := client.Get("https://" + rig.addr + "/style.css")
			if err != nil {
				return nil, err
			}
			_, err = io.Copy(io.Discard, response.Body) // so that the connection is used again
			return response.TLS.PeerCertificates[0].SerialNumber, errors.Join(err, response.Body.Close())
		}
		before, err := serial()
		require.NoError(t, err)
		writeFile(t, rig.cert, "half a cert")
		rig.roots = keyPair(t, rig.cert, rig.key, 2)
		until(t, func(now teller) {
			state, err := rig.connect(&tls.Config{})
			require.NoError(now, err)
			require.Equal(now, big.NewInt(2), state.PeerCertificates[0].SerialNumber)
		})
		after, err := serial()
		require.NoError(t, err)
		require.Equal(t, before, after, "a connection goes on")
	})
}

func TestOpenCertificate_RefusesFilesThatDoNotBelongTogether(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var s settings
	s.TLS.CertFile, s.TLS.KeyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	keyPair(t, s.TLS.CertFile, filepath.Join(dir, "other.key"), 1)
	keyPair(t, filepath.Join(dir, "other.crt"), s.TLS.KeyFile, 2)
	_, err := openCertificate(s, slog.New(slog.DiscardHandler))
	const wants = "API_TLS_CERT_FILE: must hold the certificate of the key in API_TLS_KEY_FILE, both in PEM: "
	require.ErrorContains(t, err, wants+"tls: private key does not match public key")
	writeFile(t, s.TLS.KeyFile, "hunter2")
	_, err = openCertificate(s, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, wants)
	require.NotContains(t, err.Error(), "hunter2")
	require.Equal(t, config.ExitConfiguration, config.ExitCode(err))
}

func TestExportStaleFiles(t *testing.T) {
	t.Parallel()
	a, dir := shared.api(), t.TempDir()
	tokens := withTokens(t, a, tokenLine("shop", token, access.Read))
	var s settings
	s.TLS.CertFile, s.TLS.KeyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	keyPair(t, s.TLS.CertFile, s.TLS.KeyFile, 1)
	c, err := openCertificate(s, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	registry := prometheus.NewRegistry()
	exportStaleFiles(registry, a.tokens, c)
	exports := func(tokens, certificate float64) {
		t.Helper()
		until(t, func(now teller) {
			families, err := registry.Gather()
			require.NoError(now, err)
			require.Len(now, families, 1)
			got := map[string]float64{}
			for _, metric := range families[0].GetMetric() {
				got[metric.GetLabel()[0].GetValue()] = metric.GetGauge().GetValue()
			}
			require.Equal(now, map[string]float64{"tokens": tokens, "certificate": certificate}, got)
		})
	}
	exports(0, 0)
	writeFile(t, tokens, "nonsense")
	exports(1, 0)
	writeFile(t, s.TLS.KeyFile, "nonsense")
	exports(1, 1)
	writeFile(t, tokens, tokenLine("shop", token, access.Read))
	exports(0, 1)
}

// servesTLS runs the process with all that guards it.
func servesTLS(t *testing.T, binary string) {
	dir := t.TempDir()
	cert, key, tokens := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"), filepath.Join(dir, "tokens")
	roots := keyPair(t, cert, key, 1)
	writeFile(t, tokens, tokenLine("shop", token, access.Place)+tokenLine("ops", "of ops", access.Operate))
	running := process(t, binary, shared.kurrentURL, "127.0.0.1:0")
	var log lines
	running.Stderr, running.Env = &log, append(running.Env, "API_TLS_CERT_FILE="+cert, "API_TLS_KEY_FILE="+key, "API_TOKENS_FILE="+tokens,
		"API_RATE_LIMIT=1", "API_RATE_BURST=4")
	require.NoError(t, running.Start())
	_, port, err := net.SplitHostPort(log.await(t, `api is running.*address=(\S+) tls=true`))
	require.NoError(t, err)
	c := &caller{t: t, ctx: t.Context(), url: "https://localhost:" + port, client: &http.Client{
		Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true},
	}}
	id := newID()
	require.Equal(t, http.StatusUnauthorized, c.post("/orders", body(id, newCustomerID(), nil)).status)
	require.Equal(t, http.StatusCreated, c.ask("POST", "/orders", body(id, newCustomerID(), nil), bearer(token)).status)
	require.Equal(t, http.StatusForbidden, c.ask("POST", "/orders/"+id+"/cancel", wish, bearer(token)).status)
	require.Equal(t, http.StatusAccepted, c.ask("POST", "/orders/"+id+"/cancel", wish, bearer("of ops")).status)
	until(t, func(now teller) {
		require.Equal(now, http.StatusTooManyRequests, c.telling(now).ask("GET", "/style.css", nil, bearer(token)).status)
	})
	require.NoError(t, running.Process.Signal(syscall.SIGTERM))
	require.NoError(t, running.Wait(), log.String())
	require.Regexp(t, `msg=audit action=cancel-order token=shop status=403`, log.String())
	require.Regexp(t, `msg=audit action=cancel-order token=ops order=`+id+` status=202`, log.String())
	require.NotContains(t, log.String(), token)
}
