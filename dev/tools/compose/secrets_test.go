package compose

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSecrets(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(filepath.Join(root, ".git")); errors.Is(err, fs.ErrNotExist) {
		require.Empty(t, os.Getenv("CI"), "CI has to test a checkout")
		t.Skip("this is no checkout")
	}
	t.Run("are not in version control", func(t *testing.T) {
		t.Parallel()
		command := exec.CommandContext(t.Context(), "git", "ls-files", "--", "deploy/compose/secrets", "deploy/compose/.env")
		command.Dir = root
		tracked, err := command.Output()
		require.NoError(t, err)
		require.Empty(t, string(tracked))
	})
}
