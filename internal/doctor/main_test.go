package doctor_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver/devservertest"
	"orderflow/internal/doctor"
	"orderflow/workflows"
)

// patience bounds the wait for anything that should happen, also on a busy machine.
const patience = 2 * time.Minute

var servers = devservertest.Servers{
	SearchAttributes: workflows.SearchAttributes(),
	Settings:         map[string]string{"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "autovacuum": "off"},
}

func TestMain(m *testing.M) { servers.Main(m) }

// run runs the doctor with a deadline per store that a busy machine meets.
func run(t *testing.T, o doctor.Options) []doctor.Result {
	t.Helper()
	if o.Timeout == 0 {
		o.Timeout = patience
	}
	return doctor.Run(t.Context(), o)
}

// findings returns what a run found, one line each.
func findings(results []doctor.Result) (found []string) {
	for _, r := range results {
		if r.Status == doctor.Warning || r.Status == doctor.Problem || r.Status == doctor.Failed {
			found = append(found, fmt.Sprintf("%s %s: %s", r.Check, r.Status, r.Found))
		}
	}
	return found
}

// resultOf returns the result of a check.
func resultOf(t *testing.T, results []doctor.Result, check string) doctor.Result {
	t.Helper()
	i := slices.IndexFunc(results, func(r doctor.Result) bool { return r.Check == check })
	require.GreaterOrEqual(t, i, 0, check)
	return results[i]
}

// wanted is the one thing that a broken set-up makes the doctor find.
type wanted struct {
	check  string
	status doctor.Status
	words  string // in what was found
	do     string // in what to do
}

// requireOnly requires that a run found that one thing and nothing else.
func requireOnly(t require.TestingT, results []doctor.Result, want wanted) {
	found := findings(results)
	require.Len(t, found, 1, "%q", found)
	require.Contains(t, found[0], fmt.Sprintf("%s %s: ", want.check, want.status))
	require.Contains(t, found[0], want.words)
	i := slices.IndexFunc(results, func(r doctor.Result) bool { return r.Check == want.check })
	require.NotEmpty(t, results[i].Why)
	require.Contains(t, results[i].Do, want.do)
}
