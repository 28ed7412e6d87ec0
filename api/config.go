package main

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"

	"orderflow/internal/config"
)

// settings holds the configuration, read from the environment. Temporal's SDK reads its
// own variables.
type settings struct {
	config.Log
	config.Ops
	config.KurrentDB
	config.Postgres
	Shutdown config.Shutdown
	Payloads config.Payloads

	API struct {
		Addr      string `env:"API_ADDR" envDefault:"127.0.0.1:8080"`
		TokenFile string `env:"API_TOKEN_FILE"`
	}

	// Links holds the URLs of the other tools, to which the HTML page links. A tool
	// without a URL gets no link. In the URL for streams, {stream} is the placeholder for
	// a stream's name. A URL without it is taken for a stream browser like that of
	// kurrentsim.
	Links struct {
		Temporal string `env:"API_TEMPORAL_UI_URL"`
		Streams  string `env:"API_STREAMS_UI_URL"`
		Inbox    string `env:"API_INBOX_URL"`
	}
}

// Validate checks rules that the format of a single value cannot express. Without a token
// every caller that reaches the address is trusted, so the address must be reachable from
// this machine only.
func (s settings) Validate() []config.Fault {
	var faults []config.Fault
	switch err := config.CheckAddr(s.API.Addr); {
	case err != nil:
		faults = append(faults, config.Fault{Name: "API_ADDR", Problem: err.Error()})
	case s.API.TokenFile == "" && !loopback(s.API.Addr):
		faults = append(faults, config.Fault{Name: "API_ADDR", Problem: "must be a loopback address unless API_TOKEN_FILE is set"})
	}
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

// The length of a token: long enough that it cannot be guessed, and bounded, because a
// larger file is not a token.
const (
	minToken = 16
	maxToken = 4096
)

// readToken returns the token that callers must present. It returns nil if no file is
// configured.
func readToken(file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	opened, err := os.Open(file)
	if err != nil {
		return nil, config.Invalid("API_TOKEN_FILE", "cannot be read")
	}
	defer opened.Close()
	content, err := io.ReadAll(io.LimitReader(opened, 2*maxToken))
	if err != nil {
		return nil, config.Invalid("API_TOKEN_FILE", "cannot be read")
	}
	token := bytes.TrimSpace(content)
	if len(token) < minToken || len(token) > maxToken || bytes.ContainsAny(token, " \t\r\n") {
		return nil, config.Invalid("API_TOKEN_FILE", "must hold one token of %d to %d bytes without blanks", minToken, maxToken)
	}
	return token, nil
}
