package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/modfile"
)

func TestBridge(t *testing.T) {
	t.Parallel()
	t.Run("has a program that another module can build", func(t *testing.T) {
		t.Parallel()
		page, err := os.ReadFile(filepath.Join(root, "docs", "bridge.md"))
		require.NoError(t, err)
		programs := regexp.MustCompile("(?ms)^```go\n(.*?)^```$").FindAllStringSubmatch(string(page), -1)
		require.Len(t, programs, 1)
		build(t, programs[0][1])
	})
}

// build builds a program in a module of its own. What this module requires, that one
// finds without a network.
func build(t *testing.T, program string) {
	t.Helper()
	folder, err := filepath.Abs(root)
	require.NoError(t, err)
	goMod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	goSum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	file, err := modfile.Parse("go.mod", goMod, nil)
	require.NoError(t, err)
	module := file.Module.Mod.Path // the page keeps the path that the module had when it was written
	require.NoError(t, file.AddModuleStmt("example.com/user"))
	require.NoError(t, file.AddRequire(module, "v0.0.0"))
	require.NoError(t, file.AddReplace(module, "", folder, ""))
	goMod, err = file.Format()
	require.NoError(t, err)

	dir := t.TempDir()
	program = strings.Replace(program, `"orderflow/bridge"`, `"`+module+`/bridge"`, 1)
	for name, content := range map[string][]byte{"go.mod": goMod, "go.sum": goSum, "main.go": []byte(program)} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
	}
	command := exec.CommandContext(t.Context(), "go", "build", "-mod=mod", "-o", os.DevNull, ".")
	command.Dir = dir
	output, err := command.CombinedOutput()
	require.NoError(t, err, string(output))
}
