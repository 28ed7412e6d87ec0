package ses_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/config"
	"orderflow/internal/email"
	"orderflow/internal/ses"
)

// folder writes files and returns their folder.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	return dir
}

func TestLoadTemplates_Languages(t *testing.T) {
	t.Parallel()
	whole := map[string]string{}
	for _, name := range []string{"layout", "confirmation", "rejection", "shipment", "cancellation"} {
		whole["pt-br/"+name+".txt.tmpl"] = `{{define "layout"}}{{template "body" .}}{{end}}{{define "subject"}}Pedido {{.OrderID}}{{end}}{{define "body"}}Olá {{.Name}}{{end}}`
		whole["pt-br/"+name+".html.tmpl"] = `{{define "layout"}}<p>{{template "body" .}}</p>{{end}}{{define "body"}}Olá {{.Name}}{{end}}`
	}
	whole["en/cancellation.txt.tmpl"] = `{{define "subject"}}Gone{{end}}{{define "body"}}It is gone.{{end}}`
	templates, err := ses.LoadTemplates(folder(t, whole))
	require.NoError(t, err)
	require.Equal(t, []string{"de", "en", "pt-br"}, templates.Languages())
	for language, want := range map[string]string{
		"": "Your order is confirmed: order-0a1b.2c", "en-gb": "Your order is confirmed: order-0a1b.2c", "fr": "Your order is confirmed: order-0a1b.2c",
		"de": "Ihre Bestellung ist bestätigt: order-0a1b.2c", "de-AT": "Ihre Bestellung ist bestätigt: order-0a1b.2c", "de-latn-de": "Ihre Bestellung ist bestätigt: order-0a1b.2c",
		"pt-br": "Pedido order-0a1b.2c", "pt": "Your order is confirmed: order-0a1b.2c",
	} {
		l := letter(email.KindConfirmation)
		l.Language = language
		got, err := templates.Render(l)
		require.NoError(t, err)
		require.Equal(t, want, got.Subject, language)
	}
	got, err := templates.Render(letter(email.KindCancellation))
	require.NoError(t, err)
	require.Equal(t, "Gone", got.Subject, "a file takes the place of the program's")
	require.Contains(t, got.HTML, "Your order has been cancelled", "the others stay")
}

func TestLoadTemplates_ReportsAllFaults(t *testing.T) {
	t.Parallel()
	_, err := ses.LoadTemplates(folder(t, map[string]string{
		"readme.txt":                "x",
		"German/layout.txt.tmpl":    "x",
		"en/confirmaton.txt.tmpl":   "x",
		"en/rejection.txt.tmpl":     "{{define",
		"de/cancellation.html.tmpl": strings.Repeat("x", 257<<10),
		"fr/layout.txt.tmpl":        "x",
	}))
	var invalid *config.Error
	require.True(t, errors.As(err, &invalid))
	text := err.Error()
	for _, want := range []string{
		"readme.txt: must be a folder", "German: must be a folder", "en/confirmaton.txt.tmpl: must be one of", "en/rejection.txt.tmpl: template:",
		"de/cancellation.html.tmpl: must have at most 262144 bytes", "fr/shipment.html.tmpl: is missing",
	} {
		require.Contains(t, text, "EMAIL_TEMPLATES: "+want)
	}
	require.NotContains(t, text, "fr/layout.txt.tmpl")
	_, err = ses.LoadTemplates(filepath.Join(t.TempDir(), "none"))
	require.EqualError(t, err, "EMAIL_TEMPLATES: must be a folder that can be read")
	_, err = ses.LoadTemplates(folder(t, map[string]string{"de/shipment.txt.tmpl": `{{define "subject"}}{{end}}{{define "body"}}x{{end}}`}))
	require.EqualError(t, err, "EMAIL_TEMPLATES: de/shipment: its subject, text or html is empty")
}

func TestRender_German(t *testing.T) {
	t.Parallel()
	for _, kind := range email.Kinds() {
		for i, l := range ses.Samples(kind, "de") {
			if i == 0 {
				l.Lines = l.Lines[:2]
				got, err := ses.Render(l)
				require.NoError(t, err)
				golden(t, "de-"+string(kind)+".txt", "Subject: "+got.Subject+"\n\n"+got.Text)
				golden(t, "de-"+string(kind)+".html", got.HTML)
			}
		}
	}
}
