package devserver

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// smallBuild is a build of a program that builds quickly.
func smallBuild(t *testing.T) cliBuild {
	t.Helper()
	tools := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(tools, "cmd", "temporal"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(tools, "go.mod"), []byte("module small\n\ngo 1.26.0\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(tools, "cmd", "temporal", "main.go"),
		[]byte("package main\n\nfunc main() {}\n"), 0o600))
	return cliBuild{
		tools: tools, bin: filepath.Join(t.TempDir(), "bin"), module: "small", version: "(devel)", progress: &bytes.Buffer{},
	}
}

func TestCLI_BuiltOnceConcurrently(t *testing.T) {
	t.Parallel()
	build := smallBuild(t)
	said := make([]bytes.Buffer, 4)
	var wait sync.WaitGroup
	for i := range said {
		wait.Go(func() {
			mine := build
			mine.progress = &said[i]
			if err := mine.run(t.Context()); err != nil || !mine.current() {
				t.Errorf("run %d: %v, current: %t", i, err, mine.current())
			}
		})
	}
	wait.Wait()

	builds := 0
	for i := range said {
		builds += bytes.Count(said[i].Bytes(), []byte("once"))
	}
	require.Equal(t, 1, builds)
}

func TestCLI_RebuiltForAnotherVersion(t *testing.T) {
	t.Parallel()
	build := smallBuild(t)
	require.NoError(t, build.run(t.Context()))
	require.True(t, build.current())

	build.version = "v9.9.9"

	require.False(t, build.current())
}

func TestCLI_FailedBuild(t *testing.T) {
	t.Parallel()
	build := smallBuild(t)
	require.NoError(t, os.WriteFile(filepath.Join(build.tools, "cmd", "temporal", "main.go"), []byte("not Go"), 0o600))

	err := build.run(t.Context())

	require.ErrorContains(t, err, "expected 'package'")
	require.NoFileExists(t, build.path())
}

func TestCLI_Version(t *testing.T) {
	t.Parallel()
	root, err := checkout()
	require.NoError(t, err)

	version, err := requiredVersion(filepath.Join(root, "dev", "tools", "go.mod"), temporalModule)

	require.NoError(t, err)
	require.Regexp(t, `^v1\.\d+\.\d+$`, version)
}
