package compose

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// docker records how it is called, and states the image of IMAGE as Compose does.
const docker = `#!/bin/sh
shift 3
echo "$*" >>"$CALLS"
[ "$1" != config ] || printf '%s\n' postgres:17.7 "$IMAGE"
`

func TestUp(t *testing.T) {
	t.Parallel()
	calls := func(t *testing.T, image string) string {
		t.Helper()
		folder := t.TempDir()
		script, err := os.ReadFile(filepath.Join(root, "deploy", "compose", "up.sh"))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(folder, "up.sh"), script, 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(folder, "docker"), []byte(docker), 0o700))
		log := filepath.Join(folder, "calls")
		command := exec.CommandContext(t.Context(), filepath.Join(folder, "up.sh"), "--wait")
		command.Env = []string{"PATH=" + folder + ":" + os.Getenv("PATH"), "CALLS=" + log, "IMAGE=" + image}
		output, err := command.CombinedOutput()
		require.NoError(t, err, string(output))
		recorded, err := os.ReadFile(log)
		require.NoError(t, err)
		return string(recorded)
	}
	t.Run("builds the image before the daemons need it", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, "config --images\nbuild setup\nup --no-build --detach --wait\n", calls(t, "orderflow:local"))
	})
	t.Run("builds nothing if there is another image", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, "config --images\nup --no-build --detach --wait\n", calls(t, "registry.example/orderflow:v1"))
	})
}
