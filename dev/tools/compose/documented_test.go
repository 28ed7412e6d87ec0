package compose

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// variable is what docs/configuration.md says of an environment variable.
type variable struct {
	readers  []string
	required bool
}

// row is a row of the page's table of the product's variables.
var row = regexp.MustCompile("^\\| `([A-Z0-9_]+)` \\|([^|]*)\\|([^|]*)\\|[^|]*\\|$")

// documentedVariables returns the variables of the page's first table, and those of the
// SDKs that the Compose file sets, whose table does not say which binary reads each.
func documentedVariables(t *testing.T) map[string]variable {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(root, "docs", "configuration.md"))
	require.NoError(t, err)
	variables := map[string]variable{}
	for line := range strings.Lines(string(page)) {
		cells := row.FindStringSubmatch(strings.TrimSpace(line))
		if cells == nil {
			continue
		}
		readers := strings.Split(strings.TrimSpace(cells[3]), ", ")
		if readers[0] == "all" {
			readers = append([]string{"orderflow"}, daemons...)
		}
		variables[cells[1]] = variable{readers: readers, required: strings.TrimSpace(cells[2]) == "required"}
	}
	require.Greater(t, len(variables), 25)
	for _, name := range []string{"TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE"} {
		variables[name] = variable{readers: []string{"api", "orderflow", "starter", "worker"}}
	}
	for _, name := range []string{"AWS_REGION", "AWS_ENDPOINT_URL_SESV2", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		variables[name] = variable{readers: []string{"worker"}, required: name == "AWS_REGION"}
	}
	return variables
}
