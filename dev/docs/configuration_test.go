package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// variable is one environment variable: a row of docs/configuration.md, or what the env
// tags of the code say.
type variable struct {
	standard string // the default, "required", or empty
	readBy   string // "all", or the binaries in alphabetical order
}

// binaries are the folders of the programs that ship.
var binaries = []string{"api", "projector", "publisher", "starter", "worker"}

func TestConfiguration(t *testing.T) {
	t.Parallel()
	t.Run("documents the variables that the code reads, with their defaults", func(t *testing.T) {
		t.Parallel()
		want := taggedVariables(t)
		require.Greater(t, len(want), 20)
		require.Equal(t, want, documentedVariables(t))
	})
}

// documentedVariables reads the first table of docs/configuration.md.
func documentedVariables(t *testing.T) map[string]variable {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(root, "docs", "configuration.md"))
	require.NoError(t, err)
	_, table, found := strings.Cut(string(page), "| variable | default | read by | meaning |\n|---|---|---|---|\n")
	require.True(t, found, "the table's heading")
	table, _, _ = strings.Cut(table, "\n\n")
	rows := map[string]variable{}
	for line := range strings.SplitSeq(strings.TrimSpace(table), "\n") {
		cells := strings.Split(line, "|")
		require.Len(t, cells, 6, line)
		name, standard := strings.Trim(cells[1], " `"), strings.Trim(cells[2], " `")
		require.NotContains(t, rows, name, "one row per variable")
		require.NotEmpty(t, strings.TrimSpace(cells[4]), "%s has no meaning", name)
		rows[name] = variable{standard: standard, readBy: strings.TrimSpace(cells[3])}
	}
	return rows
}

// taggedVariables reads the env tags of every struct in the binaries and in
// internal/config, whose settings all binaries share.
func taggedVariables(t *testing.T) map[string]variable {
	t.Helper()
	standards, readers := map[string]string{}, map[string]map[string]bool{}
	add := func(name, standard string, by ...string) {
		if before, ok := standards[name]; ok {
			require.Equal(t, before, standard, "%s has one default in all binaries", name)
		}
		standards[name] = standard
		if readers[name] == nil {
			readers[name] = map[string]bool{}
		}
		for _, binary := range by {
			readers[name][binary] = true
		}
	}
	for _, binary := range binaries {
		for name, standard := range tagsIn(t, binary) {
			add(name, standard, binary)
		}
	}
	for name, standard := range tagsIn(t, filepath.Join("internal", "config")) {
		add(name, standard, binaries...)
	}
	variables := map[string]variable{}
	for name, standard := range standards {
		readBy := slices.Sorted(maps.Keys(readers[name]))
		variables[name] = variable{standard: standard, readBy: strings.Join(readBy, ", ")}
		if len(readBy) == len(binaries) {
			variables[name] = variable{standard: standard, readBy: "all"}
		}
	}
	return variables
}

// tagsIn returns the default of each variable that an env tag in a folder names. Test
// files are left out.
func tagsIn(t *testing.T, folder string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, folder, "*.go"))
	require.NoError(t, err)
	require.NotEmpty(t, files, folder)
	standards := map[string]string{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(parsed, func(n ast.Node) bool {
			if field, ok := n.(*ast.Field); ok && field.Tag != nil {
				if name, standard := tagged(t, field); name != "" {
					if before, ok := standards[name]; ok {
						require.Equal(t, before, standard, "%s has two defaults in %s", name, folder)
					}
					standards[name] = standard
				}
			}
			return true
		})
	}
	return standards
}

// tagged returns the variable that a struct's field is read from, and its default. The
// name is empty if there is none.
func tagged(t *testing.T, field *ast.Field) (name, standard string) {
	t.Helper()
	text, err := strconv.Unquote(field.Tag.Value)
	require.NoError(t, err)
	tag := reflect.StructTag(text)
	name, options, _ := strings.Cut(tag.Get("env"), ",")
	standard = tag.Get("envDefault")
	kind, _ := field.Type.(*ast.Ident)
	switch {
	case slices.Contains(strings.Split(options, ","), "required"):
		return name, "required"
	case standard == "" && kind != nil && kind.Name == "bool":
		return name, "false"
	}
	return name, standard
}
