package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

// root is the repository's root.
const root = "../.."

// link is a link of Markdown, [text](target), of which it captures the target.
var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

func TestLinks(t *testing.T) {
	t.Parallel()
	pages := markdownFiles(t)
	require.Greater(t, len(pages), 10)
	t.Run("resolve to a file and a heading", func(t *testing.T) {
		t.Parallel()
		for _, page := range pages {
			for _, found := range link.FindAllStringSubmatch(withoutCode(t, page), -1) {
				if target := found[1]; !strings.Contains(target, "://") && !strings.HasPrefix(target, "mailto:") {
					checkLink(t, page, target)
				}
			}
		}
	})
}

// checkLink fails the test unless a relative link leads to a file, and its fragment to a
// heading of that file.
func checkLink(t *testing.T, page, target string) {
	t.Helper()
	path, fragment, _ := strings.Cut(target, "#")
	file := page
	if path != "" {
		file = filepath.Join(filepath.Dir(page), path)
	}
	_, err := os.Stat(file)
	require.NoError(t, err, "%s links to %s", page, target)
	if fragment != "" {
		require.Contains(t, anchors(t, file), fragment, "%s links to %s", page, target)
	}
}

// anchors returns the fragments of a page's headings: lower case, without punctuation,
// hyphens for spaces.
func anchors(t *testing.T, page string) (names []string) {
	t.Helper()
	for line := range strings.SplitSeq(withoutCode(t, page), "\n") {
		heading := strings.TrimLeft(line, "#")
		if len(heading) == len(line) || !strings.HasPrefix(heading, " ") {
			continue
		}
		names = append(names, strings.Map(func(r rune) rune {
			switch {
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			case r == ' ':
				return '-'
			default:
				return -1
			}
		}, strings.TrimSpace(heading)))
	}
	return names
}

// withoutCode returns a page without its blocks of code.
func withoutCode(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	return regexp.MustCompile("(?ms)^```.*?^```$").ReplaceAllString(string(text), "")
}

// markdownFiles returns the repository's pages. Hidden folders hold what is built.
func markdownFiles(t *testing.T) (pages []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		hidden := path != root && strings.HasPrefix(entry.Name(), ".")
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (hidden || entry.Name() == "node_modules"):
			return filepath.SkipDir
		case filepath.Ext(path) == ".md":
			pages = append(pages, path)
		}
		return nil
	}))
	return pages
}
