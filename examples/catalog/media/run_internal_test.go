package media

import (
	"os/exec"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// Temporal stores no text that is not UTF-8, and the programs print bytes of the file.
func TestFailure_IsText(t *testing.T) {
	t.Parallel()
	err := (&failure{cmd: exec.Command("ffmpeg"), stderr: "first\nbad \xff\x1b[1m tag"}).Error()
	require.True(t, utf8.ValidString(err))
	require.NotContains(t, err, "\x1b")
}
