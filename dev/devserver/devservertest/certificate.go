package devservertest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver"
)

// Certificate makes a certificate as devserver.WriteCertificate does, in a folder that goes with the test.
func Certificate(t testing.TB, name string, until time.Time) (certFile, keyFile string) {
	t.Helper()
	certFile, keyFile, err := devserver.WriteCertificate(t.TempDir(), name, until)
	require.NoError(t, err)
	return certFile, keyFile
}
