package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckTemplates(t *testing.T) {
	t.Parallel()
	check := func(environ []string, args ...string) (string, error) {
		var out bytes.Buffer
		c := &cli{args: append([]string{"email", "templates", "check"}, args...), environ: environ, stdout: &out, stderr: &out}
		err := c.run(t.Context())
		return out.String(), err
	}
	out, err := check(nil)
	require.NoError(t, err)
	require.Equal(t, "templates of the program are complete: de, en\n", out)

	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "de"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "de", "shipment.txt.tmpl"), []byte(`{{define "subject"}}Unterwegs{{end}}{{define "body"}}Hallo{{end}}`), 0o600))
	samples := filepath.Join(t.TempDir(), "samples")
	_, err = check([]string{"EMAIL_TEMPLATES=" + dir}, "--out", samples)
	require.NoError(t, err)
	written, err := os.ReadFile(filepath.Join(samples, "de-shipment-1.txt"))
	require.NoError(t, err)
	require.Contains(t, string(written), "Subject: Unterwegs\n")

	require.NoError(t, os.WriteFile(filepath.Join(dir, "de", "shipment.html.tmpl"), []byte(`{{define "body"}}{{.Nothing}}{{end}}`), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "fr"), 0o700))
	_, err = check(nil, dir)
	require.ErrorContains(t, err, "EMAIL_TEMPLATES: fr/layout.txt.tmpl: is missing")
	require.NoError(t, os.Remove(filepath.Join(dir, "fr")))
	_, err = check(nil, dir)
	require.ErrorContains(t, err, "EMAIL_TEMPLATES: de/shipment: render html")
}
