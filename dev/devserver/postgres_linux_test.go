package devserver_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver"
)

const parentVariable = "DEVSERVER_TEST_PARENT_DIR"

// TestParentOfAServer is the body of the process that the next test kills. It does
// nothing unless that test starts it.
func TestParentOfAServer(t *testing.T) {
	dir := os.Getenv(parentVariable)
	if dir == "" {
		return
	}
	pg, err := devserver.StartPostgres(t.Context(), devserver.PostgresOptions{Dir: dir})
	require.NoError(t, err)
	query[int](t, pg.URL, "CREATE TABLE kept AS SELECT 42 AS n", "SELECT n FROM kept")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ready"), []byte(strconv.Itoa(pg.PID)), 0o600))
	<-pg.Done()
}

func TestPostgres_DiesWithItsParent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	parent := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestParentOfAServer$")
	parent.Env = append(os.Environ(), parentVariable+"="+dir)
	require.NoError(t, parent.Start())
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(dir, "ready"))
		return err == nil
	}, 2*time.Minute, 20*time.Millisecond)
	require.NoError(t, parent.Process.Kill())
	require.Error(t, parent.Wait())

	next := startPostgres(t, devserver.PostgresOptions{Dir: dir})

	require.Equal(t, 42, query[int](t, next.URL, "SELECT n FROM kept"))
}
