package devservertest

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Postgres17 returns the folder with the programs of PostgreSQL 17, which
// dev/tools/postgres17/fetch.sh fetches once.
func Postgres17(t testing.TB) (binDir string) {
	t.Helper()
	module, err := exec.CommandContext(t.Context(), "go", "env", "GOMOD").Output()
	require.NoError(t, err)
	var out, said bytes.Buffer
	fetch := exec.CommandContext(t.Context(), filepath.Join(filepath.Dir(string(module)), "dev", "tools", "postgres17", "fetch.sh"))
	fetch.Stdout, fetch.Stderr = &out, &said
	require.NoError(t, fetch.Run(), "%s: %s", fetch.Path, said.String())
	return strings.TrimSpace(out.String())
}
