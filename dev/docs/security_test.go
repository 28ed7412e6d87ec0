package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	namedTest    = regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w*)`")
	declaredTest = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Z]\w*)\(`)
)

// The threat model says which test shows that a protection works.
func TestSecurity_NamesTestsThatExist(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(filepath.Join(root, "docs", "security.md"))
	require.NoError(t, err)
	declared := declaredTests(t)
	named := namedTest.FindAllStringSubmatch(string(content), -1)
	require.Greater(t, len(named), 30)
	for _, name := range named {
		require.Contains(t, declared, name[1])
	}
}

func declaredTests(t *testing.T) (names []string) {
	t.Helper()
	require.NoError(t, fs.WalkDir(os.DirFS(root), ".", func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && file != "." && (strings.HasPrefix(entry.Name(), ".") || slices.Contains([]string{"testdata", "node_modules", "dist"}, entry.Name())):
			return fs.SkipDir
		case !strings.HasSuffix(file, "_test.go"):
			return nil
		}
		source, err := os.ReadFile(filepath.Join(root, file))
		for _, found := range declaredTest.FindAllSubmatch(source, -1) {
			names = append(names, string(found[1]))
		}
		return err
	}))
	return names
}
