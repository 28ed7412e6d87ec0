package shell_test

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/shell"
)

func TestQuote(t *testing.T) {
	t.Parallel()
	require.Equal(t, "worker", shell.Quote("worker"))
	for _, word := range []string{"worker", "$ops", "o'brien", "", "two words", "a=b", `back\slash`, "`id`", "line\nend", "*"} {
		out, err := exec.CommandContext(t.Context(), "sh", "-c", "printf %s "+shell.Quote(word)).Output()
		require.NoError(t, err, word)
		require.Equal(t, word, string(out))
	}
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	require.Equal(t, `a \x1b[2J\n\u202eb\t\u0085ü✓`, shell.Printable("a \x1b[2J\n\u202eb\t\u0085ü✓"))
	require.Equal(t, "a\n\\x1b[2J\n", shell.PrintableLines("a\n\x1b[2J\n"))
}
