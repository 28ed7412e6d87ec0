package failpoint_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/failpoint"
)

const root = "../.."

func TestPoints_PlacedExactlyOnce(t *testing.T) {
	t.Parallel()
	placed := map[string][]string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "testdata" || len(entry.Name()) > 2 && strings.HasPrefix(entry.Name(), ".")):
			return filepath.SkipDir
		case strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go"):
			for _, name := range hits(t, path) {
				placed[name] = append(placed[name], path)
			}
		}
		return nil
	})
	require.NoError(t, err)
	for _, p := range failpoint.Points() {
		require.Len(t, placed[p.Name], 1, "%s is placed in %v", p.Name, placed[p.Name])
		require.Equal(t, hostOf(placed[p.Name][0]), p.Process(), "%s is in %s", p.Name, placed[p.Name][0])
		delete(placed, p.Name)
	}
	require.Empty(t, placed, "points that are not listed")
}

// hostOf returns the daemon whose work a file does. A file that belongs to no other daemon
// is the worker's.
func hostOf(path string) string {
	switch filepath.Dir(path) {
	case filepath.Join(root, "internal", "projection"):
		return "projector"
	case filepath.Join(root, "internal", "publish"):
		return "publisher"
	case filepath.Join(root, "bridge"):
		return "starter"
	}
	for _, process := range []string{"starter", "publisher", "projector", "api"} {
		if strings.HasPrefix(path, filepath.Join(root, process)+string(filepath.Separator)) {
			return process
		}
	}
	return "worker"
}

// hits returns the names in the calls of failpoint.Hit in a file. Each name must be a
// literal, so that it can be found.
func hits(t *testing.T, path string) []string {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	var names []string
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || !isHit(call.Fun) {
			return true
		}
		literal, ok := call.Args[0].(*ast.BasicLit)
		require.True(t, ok, "%s: the point's name must be a literal", path)
		name, err := strconv.Unquote(literal.Value)
		require.NoError(t, err)
		names = append(names, name)
		return true
	})
	return names
}

func isHit(fun ast.Expr) bool {
	selector, ok := fun.(*ast.SelectorExpr)
	if !ok || selector.Sel.Name != "Hit" {
		return false
	}
	pkg, ok := selector.X.(*ast.Ident)
	return ok && pkg.Name == "failpoint"
}

func TestPoints_Names(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, p := range failpoint.Points() {
		require.Regexp(t, `^(starter|worker|publisher|projector|api)\.[a-z-]+\.(before|after|sent)$`, p.Name)
		require.NotEmpty(t, p.Dies, p.Name)
		require.False(t, seen[p.Name], "%s is listed twice", p.Name)
		seen[p.Name] = true
	}
}
