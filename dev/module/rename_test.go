package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRename(t *testing.T) {
	t.Parallel()
	const path = "example.com/team/orderflow"
	for name, c := range map[string]struct{ file, before, after string }{
		"imports, and no other text": {
			"a/b.go",
			"package a\n\nimport (\n\t\"fmt\"\n\n\t\"orderflow/internal/order\"\n\tx \"orderflow\"\n\t_ \"orderflows/y\"\n)\n\nvar slot = \"orderflow/internal\" + fmt.Sprint(order.X, x.Y)\n",
			"package a\n\nimport (\n\t\"fmt\"\n\n\t\"example.com/team/orderflow/internal/order\"\n\tx \"example.com/team/orderflow\"\n\t_ \"orderflows/y\"\n)\n\nvar slot = \"orderflow/internal\" + fmt.Sprint(order.X, x.Y)\n",
		},
		"the modules of tools": {
			"dev/tools/go.mod", "module orderflow/dev/tools\n\ngo 1.26.0\n", "module example.com/team/orderflow/dev/tools\n\ngo 1.26.0\n",
		},
		"the examples, which require the module": {
			"examples/a/go.mod",
			"module example.com/a\n\ngo 1.26.0\n\nrequire (\n\torderflow v0.0.0\n\torderflows v1.0.0\n)\n\nrequire golang.org/x/mod v0.43.0 // indirect\n\nreplace orderflow => ../..\n",
			"module example.com/a\n\ngo 1.26.0\n\nrequire (\n\texample.com/team/orderflow v0.0.0\n\torderflows v1.0.0\n)\n\nrequire golang.org/x/mod v0.43.0 // indirect\n\nreplace example.com/team/orderflow => ../..\n",
		},
		"the import rules": {
			".golangci.yml", "allow:\n  - orderflow/internal/order # orders\n  - {pkg: orderflow/dev}\nlocal-prefixes: [orderflow]\n",
			"allow:\n  - example.com/team/orderflow/internal/order # orders\n  - {pkg: example.com/team/orderflow/dev}\nlocal-prefixes: [example.com/team/orderflow]\n",
		},
		"patches":                {"dev/a.patch", " \t\"orderflow/internal/order\"\n", " \t\"example.com/team/orderflow/internal/order\"\n"},
		"nothing in other files": {"README.md", "orderflow/internal\n", "orderflow/internal\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := newRepository(t, map[string]string{c.file: c.before})
			require.NoError(t, rename(root, path))
			require.Equal(t, c.after, read(t, root, c.file))
			require.Equal(t, "module "+path+"\n", read(t, root, "go.mod"))
		})
	}
	t.Run("renames again", func(t *testing.T) {
		t.Parallel()
		root := newRepository(t, map[string]string{"a.go": "package a\n\nimport _ \"orderflow/b\"\n"})
		require.NoError(t, rename(root, path))
		require.NoError(t, rename(root, "example.org/orders"))
		require.Equal(t, "package a\n\nimport _ \"example.org/orders/b\"\n", read(t, root, "a.go"))
	})
	for name, path := range map[string]string{
		"refuses a path that go get cannot resolve": "orderflow",
		"refuses a URL":     "https://example.com/orderflow",
		"refuses no path":   "",
		"refuses a version": "example.com/orderflow/v1",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := newRepository(t, nil)
			require.Error(t, rename(root, path))
			require.Equal(t, "module orderflow\n", read(t, root, "go.mod"))
		})
	}
	t.Run("writes nothing if a file cannot be read as Go", func(t *testing.T) {
		t.Parallel()
		root := newRepository(t, map[string]string{"a.go": "package a\n\nimport _ \"orderflow/b\"\n", "z.go": "no Go"})
		require.ErrorContains(t, rename(root, path), "z.go")
		require.Equal(t, "module orderflow\n", read(t, root, "go.mod"))
		require.Contains(t, read(t, root, "a.go"), `"orderflow/b"`)
	})
}

// newRepository returns a folder with a go.mod of module orderflow and the given files.
func newRepository(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	write := func(name, content string) {
		path := filepath.Join(root, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	write("go.mod", "module orderflow\n")
	for name, content := range files {
		write(name, content)
	}
	return root
}

func read(t *testing.T, root, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	require.NoError(t, err)
	return string(content)
}
