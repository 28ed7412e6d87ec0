package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRun(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file, source string
		wantErr      string
		want         string
	}{
		"counts what is in comments": {
			file: "a.go", source: "package a\n\n// F tells nobody.\nfunc F() {}\n",
			wantErr: "nobody, somebody, whoever",
			want:    "     1  (at most 4)  tells\n     1  (at most 0)  nobody, somebody, whoever\n        a.go:3\n",
		},
		"counts each occurrence": {
			file: "a.go", source: "package a\n\n// It stands. It stands.\n",
			wantErr: "stands",
			want:    "     2  (at most 0)  stands\n        a.go:3\n",
		},
		"reads no code":           {file: "a.go", source: "package a\n\nvar nobody = \"stands\"\n", want: "     0  (at most 0)  stands\n"},
		"reads no tests":          {file: "a_test.go", source: "package a\n\n// nobody\n", want: "     0  (at most 0)  stands\n"},
		"reads no testdata":       {file: "testdata/a.go", source: "package a\n\n// nobody\n", want: "     0  (at most 0)  stands\n"},
		"refuses what is no Go":   {file: "a.go", source: "nobody", wantErr: "expected 'package'"},
		"takes whole words alone": {file: "a.go", source: "package a\n\n// withstands\n", want: "     0  (at most 0)  stands\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			path := filepath.Join(root, filepath.FromSlash(c.file))
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
			require.NoError(t, os.WriteFile(path, []byte(c.source), 0o600))
			var out bytes.Buffer
			err := run([]string{"--root", root, "--list"}, &out, &bytes.Buffer{})
			if c.wantErr == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, c.wantErr)
			}
			require.Contains(t, out.String(), c.want)
		})
	}
	t.Run("draws the same sample with the same seed", func(t *testing.T) {
		t.Parallel()
		draw := func(seed string) string {
			var out bytes.Buffer
			require.NoError(t, run([]string{"--root", "..", "--sample", "5", "--seed", seed}, &out, &bytes.Buffer{}))
			return out.String()
		}
		require.Equal(t, draw("7"), draw("7"))
		require.NotEqual(t, draw("7"), draw("8"))
	})
}
