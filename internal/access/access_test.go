package access_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/access"
	"orderflow/internal/config"
)

const (
	setting = "TOKENS_FILE"

	waitLimit = time.Minute
	waitTick  = 20 * time.Millisecond
)

func hashOf(token string) string {
	hash := sha256.Sum256([]byte(token))
	return hex.EncodeToString(hash[:])
}

func write(t *testing.T, content string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "tokens")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func openFile(content, path string) (*access.Tokens, error) {
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		return nil, err
	}
	return access.Open(setting, path, slog.New(slog.DiscardHandler))
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	tokens, err := openFile("# who may what\r\n\n"+
		"shop read,place "+hashOf("first")+"\n"+
		"  shop\tplace  "+strings.ToUpper(hashOf("second"))+" \r\n"+
		"ops.night_1-B credit,operate "+hashOf("third"), write(t, ""))
	require.NoError(t, err)
	for presented, want := range map[string]struct {
		name  string
		roles []access.Role
	}{
		"first":  {"shop", []access.Role{access.Read, access.Place}},
		"second": {"shop", []access.Role{access.Place}},
		"third":  {"ops.night_1-B", []access.Role{access.Operate, access.Credit}},
	} {
		got, ok := tokens.Authenticate(presented)
		require.True(t, ok, presented)
		require.Equal(t, want.name, got.Name)
		var may []access.Role
		for _, role := range access.Roles() {
			if got.May(role) {
				may = append(may, role)
			}
		}
		require.Equal(t, want.roles, may, presented)
		require.False(t, got.May(""))
		require.False(t, got.May("READ"))
	}
	for _, presented := range []string{"", "firs", "first ", "FIRST", hashOf("first"), "shop", strings.Repeat("x", 1<<20)} {
		got, ok := tokens.Authenticate(presented)
		require.False(t, ok, "%.10s", presented)
		require.Empty(t, got.Name)
		require.False(t, got.May(access.Read))
	}
	for _, other := range []string{"00" + hashOf("first")[2:], hashOf("first")[:62] + "00"} {
		tokens, err := openFile("shop read "+other, write(t, ""))
		require.NoError(t, err)
		_, ok := tokens.Authenticate("first")
		require.False(t, ok, "every byte of the hash counts")
	}
}

func TestAuthenticate_FollowsFile(t *testing.T) {
	t.Parallel()
	path := write(t, "")
	tokens, err := openFile("shop read "+hashOf("old")+"\n", path)
	require.NoError(t, err)
	known := func(token string) bool { _, ok := tokens.Authenticate(token); return ok }
	follow := func(content string, settled func() bool) {
		t.Helper()
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		require.Eventually(t, settled, waitLimit, waitTick)
	}
	follow("shop read "+hashOf("old")+"\nshop read "+hashOf("new")+"\n", func() bool { return known("new") })
	require.True(t, known("old"), "both are valid during a rotation")
	follow("shop read "+hashOf("new")+"\n", func() bool { return !known("old") })
	require.True(t, known("new"))
	follow("shop reed "+hashOf("new")+"\n", tokens.Stale)
	require.True(t, known("new"), "a fault changes nothing")
}

func TestOpen_ReportsEveryFaultyLineAndQuotesNone(t *testing.T) {
	t.Parallel()
	good := "shop read " + hashOf("x")
	const form = "must be NAME ROLES SHA256, with commas and no blanks between the roles"
	const name = "must begin with a name of 1 to 64 letters, digits, dots, underscores and hyphens"
	const role = "has a role that is none of read, place, operate, credit, decode"
	const hash = "must end in a SHA-256 of 64 hexadecimal digits"
	for content, want := range map[string]string{
		"":                                  "has no token",
		"\n# comment\n":                     "has no token",
		"hunter2":                           "line 1 " + form,
		good + "\nhunter2 read\n":           "line 2 " + form,
		good + " hunter2":                   "line 1 " + form,
		"hunter2 read, place " + hashOf(""): "line 1 " + form,
		"hunter2/ read " + hashOf("y"):      "line 1 " + name,
		"hünter2 read " + hashOf("y"):       "line 1 " + name,
		strings.Repeat("n", 65) + good[4:]:  "line 1 " + name,
		"shop read,hunter2 " + hashOf("y"):  "line 1 " + role,
		"shop Read " + hashOf("y"):          "line 1 " + role,
		"shop read, " + hashOf("y"):         "line 1 " + role,
		"shop read hunter2":                 "line 1 " + hash,
		"shop read " + hashOf("y")[2:]:      "line 1 " + hash,
		"shop read " + hashOf("y") + "00":   "line 1 " + hash,
		"shop read " + hashOf(""):           "line 1 has the hash of an empty token",
		good + "\n\nops" + good[4:]:         "line 3 has the same hash as line 1",
		"a\n" + good + "\nb\n" + good:       "line 1 " + form + "; line 3 " + form + "; line 4 has the same hash as line 2",
		strings.Repeat("hunter2\n", 12):     "line 10 " + form + "; and 2 more",
		many(257):                           "has more than 256 tokens",
	} {
		_, err := openFile(content, write(t, ""))
		require.ErrorContains(t, err, setting+": ", content)
		require.ErrorContains(t, err, want, content)
		require.True(t, strings.HasSuffix(err.Error(), want), "%s: %s", content, err)
		require.NotContains(t, err.Error(), "hunter2")
		require.Equal(t, config.ExitConfiguration, config.ExitCode(err))
	}
	_, err := openFile(many(256), write(t, ""))
	require.NoError(t, err)
}

func many(count int) string {
	var lines strings.Builder
	for i := range count {
		fmt.Fprintf(&lines, "shop read %s\n", hashOf(fmt.Sprint(i)))
	}
	return lines.String()
}

func TestOpenSingle(t *testing.T) {
	t.Parallel()
	const form = setting + ": must hold one token of 16 to 4096 bytes without blanks"
	for _, content := range []string{"", "hunter2", "hunter2 hunter2 hunter2", strings.Repeat("x", 4097)} {
		_, err := access.OpenSingle(setting, write(t, content), slog.New(slog.DiscardHandler))
		require.EqualError(t, err, form)
	}
	tokens, err := access.OpenSingle(setting, write(t, " 0123456789abcdef\n"), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	got, ok := tokens.Authenticate("0123456789abcdef")
	require.True(t, ok)
	require.Equal(t, access.SingleName, got.Name)
	for _, role := range access.Roles() {
		require.True(t, got.May(role), role)
	}
}

// FuzzOpen looks for a file that grants what none of its lines says, or whose fault quotes
// a secret.
func FuzzOpen(f *testing.F) {
	f.Add("shop read,place "+hashOf("x")+"\n", "x")
	f.Add("# shop\n\r\nshop\x00 read "+hashOf("x"), "x")
	f.Add("shop read "+hashOf(""), "")
	f.Add("shop , "+hashOf("x")+"\nshop read", "\xff")
	path := filepath.Join(f.TempDir(), "tokens")
	f.Fuzz(func(t *testing.T, content, presented string) {
		tokens, err := openFile(content, path)
		if err != nil {
			require.True(t, strings.HasPrefix(err.Error(), setting+": "))
			require.Less(t, len(err.Error()), 2000)
			return
		}
		if token, ok := tokens.Authenticate(presented); ok {
			require.Contains(t, strings.ToLower(content), hashOf(presented))
			require.Contains(t, content, token.Name)
			require.NotEmpty(t, presented)
		}
	})
}
