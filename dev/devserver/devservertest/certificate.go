package devservertest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver"
)

// Certificate creates a certificate as devserver.WriteCertificate does, in the test's
// temporary folder.
func Certificate(t testing.TB, name string, until time.Time) (certFile, keyFile string) {
	t.Helper()
	certFile, keyFile, err := devserver.WriteCertificate(t.TempDir(), name, until)
	require.NoError(t, err)
	return certFile, keyFile
}
