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

// settings are the api's, from the environment. Temporal's own variables are read by its
// SDK.
type settings struct {
	config.Log
	config.Ops
	Shutdown config.Shutdown

	API struct {
		Addr      string `env:"API_ADDR" envDefault:"127.0.0.1:8080"`
		TokenFile string `env:"API_TOKEN_FILE"`
	}

	Kurrent struct {
		URL            string `env:"KURRENTDB_URL,required"`
		AllowPlaintext bool   `env:"KURRENTDB_ALLOW_PLAINTEXT"`
	}
	Postgres struct {
		URL string `env:"POSTGRES_URL,required"`
	}
	// Links are the other tools' pages, for the page that people look at. One that is not
	// set is not linked to. In that of the streams, {stream} stands for a stream's name;
	// without it, it is a stream browser as kurrentsim's.
	Links struct {
		Temporal string `env:"API_TEMPORAL_UI_URL"`
		Streams  string `env:"API_STREAMS_UI_URL"`
		Inbox    string `env:"API_INBOX_URL"`
	}
}

// Validate checks what the form of a value does not tell. Without a token everybody who
// reaches the address is believed, so only this machine may.
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

// loopback tells whether only this machine reaches the address. An empty host is every
// interface.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// A token is long enough that nobody guesses it, and short enough to be one.
const (
	minToken = 16
	maxToken = 4096
)

// readToken reads the one token that may ask. Without a file there is none.
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
