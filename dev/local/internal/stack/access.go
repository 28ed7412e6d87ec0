package stack

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"orderflow/dev/programs"
	"orderflow/internal/access"
	"orderflow/internal/config"
)

// The variables of the api that decide how its clients reach it.
const (
	tokensVariable      = "API_TOKENS_FILE"
	tokenVariable       = "API_TOKEN_FILE"
	certificateVariable = "API_TLS_CERT_FILE"
)

// ownToken is the name of this process's token in the audit log of the api.
const ownToken = "local"

// Access is how this process uses the api, as any other client does.
type Access struct {
	Token string // empty if the api asks for none
	HTTP  *http.Client

	givenFile  string // of tokens, that the environment names; may be empty
	tokensFile string // of the api, in place of that one
}

// grantAccess returns the access that the environment of the api allows. A file of tokens
// has only hashes, so the api gets a copy of it with one more token, which may read.
func grantAccess(e programs.Environment, dir string) (a Access, err error) {
	if a.HTTP, err = clientFor(e); err != nil {
		return a, err
	}
	switch {
	case e.Has(tokensVariable):
		a.Token, a.givenFile, a.tokensFile = rand.Text(), strings.TrimSpace(e[tokensVariable]), filepath.Join(dir, tokensFile)
		return a, a.copyTokens()
	case e.Has(tokenVariable):
		a.Token, err = config.ReadFile(strings.TrimSpace(e[tokenVariable]))
		if err != nil {
			return a, config.Invalid(tokenVariable, "%s", err)
		}
	}
	return a, nil
}

// copyTokens copies the given file of tokens and adds one, unless the copy is up to date.
func (a Access) copyTokens() error {
	tokens, err := os.ReadFile(a.givenFile)
	if err != nil {
		return config.Invalid(tokensVariable, "%s", err)
	}
	hash := sha256.Sum256([]byte(a.Token))
	tokens = fmt.Appendf(tokens, "\n%s %s %s\n", ownToken, access.Read, hex.EncodeToString(hash[:]))
	if copied, err := os.ReadFile(a.tokensFile); err == nil && bytes.Equal(copied, tokens) {
		return nil
	}
	fresh := a.tokensFile + ".new" // the api must not read half a file
	if err := os.WriteFile(fresh, tokens, 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, a.tokensFile)
}

// followTokens keeps the copy up to date until done is closed, so that the api refuses a
// token that is removed from the given file. While that file cannot be read, the copy
// stays, as the tokens of an api do.
func (a Access) followTokens(done <-chan struct{}) {
	if a.givenFile == "" {
		return
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_ = a.copyTokens()
		case <-done:
			return
		}
	}
}

// clientFor returns a client that trusts the certificate of the api, if it has one.
func clientFor(e programs.Environment) (*http.Client, error) {
	if !e.Has(certificateVariable) {
		return http.DefaultClient, nil
	}
	certificate, err := os.ReadFile(strings.TrimSpace(e[certificateVariable]))
	if err != nil {
		return nil, config.Invalid(certificateVariable, "%s", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certificate) // without a certificate in it, the api does not start
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	return &http.Client{Transport: transport}, nil
}

// apiScheme returns the scheme of the api's URL.
func apiScheme(e programs.Environment) string {
	if e.Has(certificateVariable) {
		return "https"
	}
	return "http"
}
