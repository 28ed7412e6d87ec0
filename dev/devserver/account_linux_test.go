package devserver

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The test cannot detect from outside which accounts a machine permits, so it names them
// itself. Without root it only shows that no other account is used.
func TestPostgres_RootWithoutNamespaces(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o711)) // the other user must be able to reach the folder
	refused := account{credential: &syscall.Credential{Uid: 0, Gid: 0}}
	if os.Geteuid() != 0 {
		found, err := unprivileged(t.Context(), Command{}, []account{refused})
		require.NoError(t, err)
		require.Equal(t, account{}, found)
		return
	}
	others := otherUsers()
	require.NotEmpty(t, others)

	pg, err := StartPostgres(t.Context(), PostgresOptions{Dir: dir, Fast: true, accounts: others})
	require.NoError(t, err)
	info, err := os.Stat("/proc/" + strconv.Itoa(pg.PID))
	require.NoError(t, err)
	require.Equal(t, others[0].credential.Uid, info.Sys().(*syscall.Stat_t).Uid)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	require.NoError(t, pg.Stop(ctx))
}
