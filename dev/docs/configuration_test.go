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
var binaries = []string{"api", "orderflow", "projector", "publisher", "starter", "worker"}

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

// taggedVariables reads the env tags of every struct in the binaries, and of the structs
// of internal/config that they contain.
func taggedVariables(t *testing.T) map[string]variable {
	t.Helper()
	standards, readers := map[string]string{}, map[string]map[string]bool{}
	add := func(variables map[string]string, binary string) {
		for name, standard := range variables {
			if before, ok := standards[name]; ok {
				require.Equal(t, before, standard, "%s has one default in all binaries", name)
			} else {
				standards[name], readers[name] = standard, map[string]bool{}
			}
			readers[name][binary] = true
		}
	}
	shared := structsIn(t, filepath.Join("internal", "config"))
	for _, binary := range binaries {
		for _, own := range structsIn(t, binary) {
			add(own.variables, binary)
			for _, name := range own.shared {
				require.Contains(t, shared, name, "a field of %s", binary)
				add(shared[name].variables, binary)
			}
		}
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

// settings is what a struct reads from the environment.
type settings struct {
	variables map[string]string // the default of each variable that an env tag names
	shared    []string          // structs of internal/config among its fields
}

// structsIn returns the structs of a folder by name. Test files are left out.
func structsIn(t *testing.T, folder string) map[string]settings {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, folder, "*.go"))
	require.NoError(t, err)
	require.NotEmpty(t, files, folder)
	structs := map[string]settings{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(parsed, func(n ast.Node) bool {
			declared, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if body, ok := declared.Type.(*ast.StructType); ok {
				structs[declared.Name.Name] = settingsOf(t, body)
			}
			return false
		})
	}
	return structs
}

// settingsOf includes the fields of nested structs without a name.
func settingsOf(t *testing.T, body *ast.StructType) settings {
	t.Helper()
	s := settings{variables: map[string]string{}}
	ast.Inspect(body, func(n ast.Node) bool {
		field, ok := n.(*ast.Field)
		if !ok {
			return true
		}
		if field.Tag != nil {
			if name, standard := tagged(t, field); name != "" {
				s.variables[name] = standard
			}
			if name := tagOf(t, field).Get("orFile"); name != "" {
				s.variables[name] = ""
			}
		}
		if selected, ok := field.Type.(*ast.SelectorExpr); ok {
			if from, ok := selected.X.(*ast.Ident); ok && from.Name == "config" {
				s.shared = append(s.shared, selected.Sel.Name)
			}
		}
		return true
	})
	return s
}

// tagged returns the variable that a struct's field is read from, and its default. The
// name is empty if there is none.
func tagged(t *testing.T, field *ast.Field) (name, standard string) {
	t.Helper()
	tag := tagOf(t, field)
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

func tagOf(t *testing.T, field *ast.Field) reflect.StructTag {
	t.Helper()
	text, err := strconv.Unquote(field.Tag.Value)
	require.NoError(t, err)
	return reflect.StructTag(text)
}
