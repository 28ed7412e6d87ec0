package main

import (
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/access"
)

const token = "0123456789abcdef"

// tokenLine is a line of a file of tokens.
func tokenLine(name string, token string, roles ...access.Role) string {
	names := make([]string, len(roles))
	for i, role := range roles {
		names[i] = string(role)
	}
	hash := sha256.Sum256([]byte(token))
	return name + " " + strings.Join(names, ",") + " " + hex.EncodeToString(hash[:]) + "\n"
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
}

// withTokens gives the api a file of tokens, and returns its path.
func withTokens(t *testing.T, a *api, lines ...string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "tokens")
	writeFile(t, path, strings.Join(lines, ""))
	var err error
	a.tokens, err = access.Open(tokensFile, path, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return path
}

func bearer(token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

func TestAuthenticated_RequiresToken(t *testing.T) {
	t.Parallel()
	a := shared.api()
	withTokens(t, a, tokenLine("shop", token, access.Read))
	c := newClient(t, a)
	for what, change := range map[string]func(*http.Request){
		"none":                   func(*http.Request) {},
		"another":                bearer(token + "x"),
		"its hash":               bearer(strings.Fields(tokenLine("shop", token))[1]),
		"an empty one":           bearer(""),
		"the user name":          func(r *http.Request) { r.SetBasicAuth(token, "") },
		"another scheme":         func(r *http.Request) { r.Header.Set("Authorization", "Token "+token) },
		"the token in the query": func(r *http.Request) { r.URL.RawQuery = "token=" + token },
	} {
		everywhere(c, change, func(request string, got reply) {
			require.Equal(t, "the token is missing or wrong", got.problem(http.StatusUnauthorized).Detail, "%s %s", what, request)
			require.Len(t, got.header.Values("WWW-Authenticate"), 2)
		})
	}
	require.Equal(t, http.StatusUnauthorized, c.get("/nowhere").status, "not even which paths there are")
	for _, change := range []func(*http.Request){
		func(r *http.Request) { r.Header.Set("Authorization", "bearer "+token) },
		func(r *http.Request) { r.SetBasicAuth("anybody", token); r.Host = "orderflow.example.com" },
	} {
		require.Equal(t, http.StatusOK, c.ask("GET", "/style.css", nil, change).status)
		require.Equal(t, http.StatusOK, c.ask("GET", "/", nil, change).status, "a browser shows the page")
	}
}

// needed is the role that each of the requests needs. Every token may get the others.
var needed = map[string]access.Role{
	"POST /orders": access.Place, "GET /orders": access.Read, "POST /orders/": access.Operate,
	"POST /customers": access.Credit, "GET /customers/": access.Read, "PUT /customers/": access.Credit, "GET /?": access.Read,
	"GET /list": access.Read, "GET /actions/": access.Read, "POST /actions/cancel": access.Operate,
}

func roleOf(request string) (role access.Role) {
	if strings.HasPrefix(request, "POST /orders/") && strings.Contains(request, "/credit-") {
		return access.Credit
	}
	longest := ""
	for prefix, needs := range needed {
		if strings.HasPrefix(request, prefix) && len(prefix) > len(longest) {
			longest, role = prefix, needs
		}
	}
	return role
}

func TestAuthorize(t *testing.T) {
	t.Parallel()
	a := shared.api()
	lines := []string{tokenLine("all", token, access.Roles()...)}
	for _, role := range access.Roles() {
		others := slices.DeleteFunc(access.Roles(), func(other access.Role) bool { return other == role })
		lines = append(lines, tokenLine("only-"+string(role), "only "+string(role), role), tokenLine("no-"+string(role), "no "+string(role), others...))
	}
	withTokens(t, a, lines...)
	c := newClient(t, a)
	for _, role := range access.Roles() {
		everywhere(c, bearer("only "+string(role)), func(request string, got reply) {
			if needs := roleOf(request); needs != "" && needs != role {
				require.Equal(t, "the token lacks the role "+string(needs), got.problem(http.StatusForbidden).Detail, "%s %s", role, request)
			} else {
				require.NotEqual(t, http.StatusForbidden, got.status, "%s %s: %s", role, request, got.body)
			}
		})
		everywhere(c, bearer("no "+string(role)), func(request string, got reply) {
			require.Equal(t, roleOf(request) == role, got.status == http.StatusForbidden, "%s %s: %s", role, request, got.body)
		})
	}
	require.Equal(t, http.StatusForbidden, c.ask(http.MethodHead, "/orders/"+newID(), nil, bearer("no read")).status)
	require.Equal(t, http.StatusMethodNotAllowed, c.ask(http.MethodDelete, "/orders", nil, bearer("only decode")).status)
	id := newID()
	require.Equal(t, http.StatusForbidden, c.ask("POST", "/orders", body(id, "c", nil), bearer("no place")).status)
	require.Equal(t, http.StatusNotFound, c.ask("GET", "/orders/"+id, nil, bearer(token)).status, "nothing was placed")
}

func TestAuthenticated_FollowsRotation(t *testing.T) {
	t.Parallel()
	a := shared.api()
	before, after := tokenLine("shop", "before", access.Read), tokenLine("shop", "after", access.Read)
	path := withTokens(t, a, before)
	c := newClient(t, a)
	status := func(token string) int { return c.ask("GET", "/", nil, bearer(token)).status }
	settle := func(content, token string, want int) {
		t.Helper()
		writeFile(t, path, content)
		until(t, func(now teller) { require.Equal(now, want, status(token)) })
	}
	require.Equal(t, http.StatusUnauthorized, status("after"))
	settle(before+after, "after", http.StatusOK)
	require.Equal(t, http.StatusOK, status("before"), "both are valid until the callers have the new one")
	settle(after, "before", http.StatusUnauthorized)
	require.Equal(t, http.StatusOK, status("after"))
	settle(tokenLine("shop", "after", access.Place), "after", http.StatusForbidden)
}
