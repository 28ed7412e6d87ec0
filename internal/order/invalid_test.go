package order_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/order"
)

// documentedFault is one row of docs/orders.md, for one of its paths.
type documentedFault struct {
	path, reason *regexp.Regexp
	text         string
}

func (d documentedFault) matches(fault order.InvalidError) bool {
	return d.path.MatchString(fault.Path) && d.reason.MatchString(fault.Reason)
}

// documentedFaults reads the table of docs/orders.md.
func documentedFaults(t *testing.T) (rows []documentedFault) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "orders.md"))
	require.NoError(t, err)
	_, table, found := strings.Cut(string(page), "| path | reason |\n|---|---|\n")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n\n")
	for line := range strings.SplitSeq(table, "\n") {
		paths, reason, ok := strings.Cut(strings.Trim(line, "| "), " | ")
		if !ok { // the path is empty
			paths, reason = "", paths
		}
		for path := range strings.SplitSeq(paths, ", ") {
			rows = append(rows, documentedFault{path: pattern(path), reason: pattern(reason), text: path + " " + reason})
		}
	}
	return rows
}

func pattern(text string) *regexp.Regexp {
	text = regexp.QuoteMeta(strings.Trim(text, "`"))
	text = strings.NewReplacer("…", ".*", `\[n\]`, `\[\d+\]`).Replace(text)
	return regexp.MustCompile("^" + text + "$")
}

func TestDecodePlaced_FaultsAreDocumented(t *testing.T) {
	t.Parallel()
	rows, shown := documentedFaults(t), map[string]bool{}
	all := append(invalidOrders(t), invalidOrder{reason: "content type must be application/json"})
	for _, test := range all {
		known := false
		for _, row := range rows {
			if row.matches(order.InvalidError{Path: test.path, Reason: test.reason}) {
				shown[row.text], known = true, true
			}
		}
		require.True(t, known, "docs/orders.md has no row for %s: %s", test.path, test.reason)
	}
	for _, row := range rows {
		require.True(t, shown[row.text], "no order is refused for %s", row.text)
	}
}

// Every text in the source that has the form of a reason must be in the list.
func TestDecodePlaced_EveryReasonIsDocumented(t *testing.T) {
	t.Parallel()
	exempt := map[string]bool{
		"must be UTF-8": true, // JSON that is not UTF-8 fails the syntax check first
		"must not have more decimals than its currency": true, // of payments and limits

		"must be 1 to 128 bytes without control characters": true, // of ids outside an order
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "orders.md"))
	require.NoError(t, err)
	count := 0
	for _, file := range []string{"checker.go", "document.go", "number.go", "money.go", "placed.go", "timestamp.go", "email.go", "id.go"} {
		for _, text := range reasonsIn(t, file) {
			if exempt[text] {
				continue
			}
			count++
			require.Regexp(t, formatPattern(text), string(page), "%s: %q", file, text)
		}
	}
	require.Greater(t, count, 30)
}

func reasonsIn(t *testing.T, file string) (texts []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	reason := regexp.MustCompile(`^(must|is|has|comes?|content type) `)
	ast.Inspect(parsed, func(n ast.Node) bool {
		if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			text, err := strconv.Unquote(literal.Value)
			require.NoError(t, err)
			if reason.MatchString(text) {
				texts = append(texts, text)
			}
		}
		return true
	})
	return texts
}

// formatPattern returns a pattern for a format string. Where the format has numbers, the
// page has a value. The pattern ends at the first part that varies more than that.
func formatPattern(format string) string {
	format, _, _ = strings.Cut(format, "%s")
	format, _, _ = strings.Cut(format, ": ")
	return "`" + strings.ReplaceAll(regexp.QuoteMeta(format), "%d", `\d+`)
}
