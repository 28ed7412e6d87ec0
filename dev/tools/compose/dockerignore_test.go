package compose

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
	"github.com/stretchr/testify/require"
)

func TestDockerignore(t *testing.T) {
	t.Parallel()
	list, err := os.Open(filepath.Join(root, ".dockerignore"))
	require.NoError(t, err)
	defer func() { require.NoError(t, list.Close()) }()
	patterns, err := ignorefile.ReadAll(list)
	require.NoError(t, err)
	ignored, err := patternmatcher.New(patterns)
	require.NoError(t, err)
	matches := func(file string) bool {
		t.Helper()
		matched, err := ignored.MatchesOrParentMatches(file)
		require.NoError(t, err)
		return matched
	}
	t.Run("keeps all files that the binaries are compiled from", func(t *testing.T) {
		files := append(sources(t), "go.mod", "go.sum", "LICENSE", "dev/dist/build.sh", "dev/tools/sbom/go.mod", "dev/tools/sbom/go.sum")
		require.Greater(t, len(files), 200)
		for _, file := range files {
			require.False(t, matches(file), file)
		}
	})
	t.Run("leaves out what may hold secrets", func(t *testing.T) {
		for _, file := range []string{".git/config", ".local/stack.json", "deploy/compose/secrets/api_token", "deploy/compose/.env"} {
			require.True(t, matches(file), file)
		}
	})
}

// sources returns the files of this repository that the binaries consist of, relative to
// the root.
func sources(t *testing.T) []string {
	t.Helper()
	const files = `{{with .Module}}{{if .Main}}{{range $.GoFiles}}{{$.Dir}}/{{.}}{{"\n"}}{{end}}{{range $.EmbedFiles}}{{$.Dir}}/{{.}}{{"\n"}}{{end}}{{end}}{{end}}`
	arguments := []string{"list", "-deps", "-f", files}
	for _, binary := range append([]string{"orderflow"}, daemons...) {
		arguments = append(arguments, "./"+binary)
	}
	command := exec.CommandContext(t.Context(), "go", arguments...)
	command.Dir = root
	output, err := command.Output()
	require.NoError(t, err)
	folder, err := filepath.Abs(root)
	require.NoError(t, err)
	var relative []string
	for line := range strings.Lines(string(output)) {
		file, err := filepath.Rel(folder, strings.TrimSpace(line))
		require.NoError(t, err)
		if file != "." && !strings.HasPrefix(file, "..") {
			relative = append(relative, file)
		}
	}
	return relative
}
