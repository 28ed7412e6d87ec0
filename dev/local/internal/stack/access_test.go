package stack

import (
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/dev/programs"
	"orderflow/internal/access"
)

func TestGrantAccess_WithoutTokens(t *testing.T) {
	t.Parallel()
	a, err := grantAccess(programs.Environment{}, t.TempDir())
	require.NoError(t, err)
	require.Equal(t, Access{HTTP: http.DefaultClient}, a)
}

func TestGrantAccess_AddsTokenThatMayRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	given := filepath.Join(dir, "given")
	line := "shop place " + strings.Repeat("ab", 32)
	require.NoError(t, os.WriteFile(given, []byte(line), 0o600)) // no line break at its end

	a, err := grantAccess(programs.Environment{tokensVariable: given}, dir)

	require.NoError(t, err)
	tokens, err := access.Open(tokensVariable, a.tokensFile, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	own, known := tokens.Authenticate(a.Token)
	require.True(t, known)
	require.Equal(t, ownToken, own.Name)
	for _, role := range access.Roles() {
		require.Equal(t, role == access.Read, own.May(role), role)
	}
	copied, err := os.ReadFile(a.tokensFile)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(copied), line+"\n"))
}

func TestGrantAccess_NamesFileThatIsMissing(t *testing.T) {
	t.Parallel()
	for _, variable := range []string{tokensVariable, tokenVariable, certificateVariable} {
		_, err := grantAccess(programs.Environment{variable: filepath.Join(t.TempDir(), "none")}, t.TempDir())
		require.ErrorContains(t, err, variable)
	}
}

func TestFollowTokens_TakesOverARemovedToken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	given := filepath.Join(dir, "given")
	shop, risk := "shop place "+strings.Repeat("ab", 32)+"\n", "risk credit "+strings.Repeat("cd", 32)+"\n"
	require.NoError(t, os.WriteFile(given, []byte(shop+risk), 0o600))
	a, err := grantAccess(programs.Environment{tokensVariable: given}, dir)
	require.NoError(t, err)
	done := make(chan struct{})
	defer close(done)
	go a.followTokens(done)

	require.NoError(t, os.WriteFile(given, []byte(risk), 0o600))

	require.Eventually(t, func() bool {
		copied, err := os.ReadFile(a.tokensFile)
		return err == nil && strings.HasPrefix(string(copied), risk) && strings.Contains(string(copied), "\n"+ownToken+" ")
	}, 30*time.Second, 10*time.Millisecond)
}
