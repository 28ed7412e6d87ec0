package main

import (
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"orderflow/internal/access"
	"orderflow/internal/config"
)

// settings holds the configuration, read from the environment. Temporal's SDK reads its
// own variables.
type settings struct {
	config.Log
	config.Ops
	config.KurrentDB
	config.Postgres
	Tracing  config.Tracing
	Shutdown config.Shutdown
	Payloads config.Payloads

	API struct {
		Addr       string `env:"API_ADDR" envDefault:"127.0.0.1:8080"`
		TokensFile string `env:"API_TOKENS_FILE"`
		TokenFile  string `env:"API_TOKEN_FILE"`
		RateLimit  int    `env:"API_RATE_LIMIT" envDefault:"100"` // requests per second of one token; 0: no limit
		RateBurst  int    `env:"API_RATE_BURST" envDefault:"200"` // requests of one token at once

		CodecOrigins []string `env:"API_CODEC_ORIGINS"` // of Web UIs that decrypt payloads here
	}

	// TLS names the files of the certificate and its key. Without them the api serves plain
	// HTTP.
	TLS struct {
		CertFile string `env:"API_TLS_CERT_FILE"`
		KeyFile  string `env:"API_TLS_KEY_FILE"`
	}

	// Links holds the URLs of the other tools, to which the HTML page links. A tool
	// without a URL gets no link. In the URL for streams, {stream} is the placeholder for
	// a stream's name. A URL without it is taken for a stream browser like that of
	// kurrentsim. In the URL for traces, {traceId} is the placeholder for a trace's id.
	Links struct {
		Temporal string `env:"API_TEMPORAL_UI_URL"`
		Streams  string `env:"API_STREAMS_UI_URL"`
		Inbox    string `env:"API_INBOX_URL"`
		Trace    string `env:"API_TRACE_URL"`
	}
}

// maxRate is more than the api can serve.
const maxRate = 100_000

// Validate checks rules that the format of a single value cannot express. Without tokens
// every caller that reaches the address is trusted, so the address must be reachable from
// this machine only.
func (s settings) Validate() []config.Fault {
	var faults []config.Fault
	if s.Links.Trace != "" && !strings.Contains(s.Links.Trace, tracePlace) {
		faults = append(faults, config.Fault{Name: "API_TRACE_URL", Problem: "must contain " + tracePlace})
	}
	switch err := config.CheckAddr(s.API.Addr); {
	case err != nil:
		faults = append(faults, config.Fault{Name: "API_ADDR", Problem: err.Error()})
	case s.API.TokensFile+s.API.TokenFile == "" && !loopback(s.API.Addr):
		problem := "must be a loopback address unless " + tokensFile + " or " + tokenFile + " is set"
		faults = append(faults, config.Fault{Name: "API_ADDR", Problem: problem})
	}
	if s.API.TokensFile != "" && s.API.TokenFile != "" {
		faults = append(faults, config.Fault{Name: tokenFile, Problem: "must not be set together with " + tokensFile})
	}
	if s.API.RateLimit < 0 || s.API.RateLimit > maxRate {
		faults = append(faults, config.Fault{Name: "API_RATE_LIMIT", Problem: "must be from 0 to 100000"})
	}
	if s.API.RateBurst < 1 || s.API.RateBurst > maxRate {
		faults = append(faults, config.Fault{Name: "API_RATE_BURST", Problem: "must be from 1 to 100000"})
	}
	if s.TLS.CertFile != "" && s.TLS.KeyFile == "" {
		faults = append(faults, config.Fault{Name: keyFile, Problem: "is required with " + certFile})
	}
	if s.TLS.KeyFile != "" && s.TLS.CertFile == "" {
		faults = append(faults, config.Fault{Name: certFile, Problem: "is required with " + keyFile})
	}
	faults = append(faults, checkOrigins("API_CODEC_ORIGINS", s.API.CodecOrigins)...)
	for name, link := range map[string]string{
		"API_TEMPORAL_UI_URL": s.Links.Temporal, "API_STREAMS_UI_URL": s.Links.Streams, "API_INBOX_URL": s.Links.Inbox,
	} {
		if u, err := url.Parse(link); link != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
			faults = append(faults, config.Fault{Name: name, Problem: "must be an http or https URL"})
		}
	}
	return faults
}

// loopback reports whether the address is reachable from this machine only. An empty host
// means all interfaces.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// The variables that name the files of tokens.
const (
	tokensFile = "API_TOKENS_FILE"
	tokenFile  = "API_TOKEN_FILE"
)

// openTokens returns the tokens that callers may present. It returns nil if no file is
// configured.
func openTokens(s settings, logger *slog.Logger) (*access.Tokens, error) {
	switch {
	case s.API.TokensFile != "":
		return access.Open(tokensFile, s.API.TokensFile, logger)
	case s.API.TokenFile != "":
		return access.OpenSingle(tokenFile, s.API.TokenFile, logger)
	default:
		return nil, nil
	}
}
