package reconcile

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What a producer or a server has written moves no cursor of an operator's terminal.
func TestFindings_PrintOneLinePerDifference(t *testing.T) {
	t.Parallel()
	found := Findings{Differences: []*difference{
		{OrderID: printable("order-\x1b[2J\n"), Kind: unlinked, Detail: "event 1 (a\x1b]0;title\x07\nb\tc): not JSON"},
	}}
	var text strings.Builder
	require.NoError(t, found.Print(&text))
	require.Contains(t, text.String(), `"order-\x1b[2J\n"`)
	require.Contains(t, text.String(), `event 1 (a\x1b]0;title\a\nb\tc): not JSON`)
	require.NotContains(t, text.String(), "\x1b")
	require.Equal(t, 4, strings.Count(text.String(), "\n"))
}
