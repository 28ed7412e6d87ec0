package eventcatalog_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"orderflow/dev/eventcatalog"
)

var write = flag.Bool("write", false, "write docs/events, and record the examples that are not recorded yet")

const (
	folder   = "../../docs/events"
	recorded = "testdata/recorded"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if *write {
		if err := writeAll(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// files returns the content of each file of docs/events. The page is what before holds,
// with the table.
func files(before []byte) (map[string][]byte, error) {
	document, err := eventcatalog.Document()
	if err != nil {
		return nil, err
	}
	marks := regexp.MustCompile(`(?s)<!-- events -->\n.*<!-- /events -->`)
	table := []byte("<!-- events -->\n" + eventcatalog.Table() + "<!-- /events -->")
	all := map[string][]byte{"asyncapi.yaml": document, "README.md": marks.ReplaceAllLiteral(before, table)}
	for _, e := range eventcatalog.Events() {
		if all[eventcatalog.SchemaFile(e.Type)], err = eventcatalog.SchemaText(e); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func writeAll() error {
	before, err := os.ReadFile(filepath.Join(folder, "README.md"))
	if err != nil {
		return err
	}
	all, err := files(before)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(folder, "schemas")); err != nil {
		return err
	}
	for name, content := range all {
		if err := save(filepath.Join(folder, name), content); err != nil {
			return err
		}
	}
	return record()
}

// record saves the examples that are not among the recorded events, under the next
// numbers.
func record() error {
	for _, e := range eventcatalog.Events() {
		known, err := readRecorded(e.Type)
		if err != nil {
			return err
		}
		for _, example := range e.Examples {
			var text bytes.Buffer
			if err := json.Indent(&text, []byte(example), "", "  "); err != nil {
				return err
			}
			text.WriteByte('\n')
			if slices.ContainsFunc(slices.Collect(maps.Values(known)), func(one []byte) bool { return bytes.Equal(one, text.Bytes()) }) {
				continue
			}
			path := filepath.Join(recorded, e.Type, fmt.Sprintf("%03d.json", len(known)+1))
			if err := save(path, text.Bytes()); err != nil {
				return err
			}
			known[path] = text.Bytes()
		}
	}
	return nil
}

func save(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o600)
}

// readRecorded returns the recorded events of a type by their files.
func readRecorded(eventType string) (map[string][]byte, error) {
	paths, err := filepath.Glob(filepath.Join(recorded, eventType, "*.json"))
	if err != nil {
		return nil, err
	}
	found := map[string][]byte{}
	for _, path := range paths {
		if found[path], err = os.ReadFile(path); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func TestFiles(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(folder, "README.md"))
	require.NoError(t, err)
	require.Contains(t, string(page), "<!-- events -->")
	want, err := files(page)
	require.NoError(t, err)
	for name, content := range want {
		got, err := os.ReadFile(filepath.Join(folder, name))
		require.NoError(t, err, "make event-catalog")
		require.Equal(t, string(content), string(got), "%s: make event-catalog", name)
	}
	schemas, err := os.ReadDir(filepath.Join(folder, "schemas"))
	require.NoError(t, err)
	require.Len(t, schemas, len(eventcatalog.Events()), "a schema is of no event: make event-catalog")
}

func TestDocument_ResolvesReferences(t *testing.T) {
	t.Parallel()
	text, err := eventcatalog.Document()
	require.NoError(t, err)
	var document any
	require.NoError(t, yaml.Unmarshal(text, &document))
	references := regexp.MustCompile(`\$ref: '?([^'\n]+)`).FindAllStringSubmatch(string(text), -1)
	require.Greater(t, len(references), 4*len(eventcatalog.Events()))
	for _, found := range references {
		if file, local := found[1], found[1][0] == '#'; !local {
			require.FileExists(t, filepath.Join(folder, file))
			continue
		}
		at := document
		for _, key := range regexp.MustCompile(`[^/#]+`).FindAllString(found[1], -1) {
			within, ok := at.(map[string]any)
			require.True(t, ok, found[1])
			require.Contains(t, within, key, found[1])
			at = within[key]
		}
	}
}
