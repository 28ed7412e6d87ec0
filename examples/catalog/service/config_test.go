package service

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLoad(t *testing.T) {
	variables := map[string]string{"KURRENTDB_URL": "kurrentdb://secret@a", "POSTGRES_URL": "postgres://secret@a", "CATALOG_FOLDER": "f"}
	c, err := Load(variables)
	require.NoError(t, err)
	require.Equal(t, int64(200<<20), c.MaxUpload)

	for name, value := range map[string]string{
		"CATALOG_ADDR": "8090", "CATALOG_MAX_UPLOAD": "0", "CATALOG_TRANSCODES": "65", "CATALOG_STOP_TIMEOUT": "0s",
	} {
		variables[name] = value
	}
	delete(variables, "POSTGRES_URL")
	_, err = Load(variables)
	for _, name := range []string{"POSTGRES_URL", "CATALOG_ADDR", "CATALOG_MAX_UPLOAD", "CATALOG_TRANSCODES", "CATALOG_STOP_TIMEOUT"} {
		require.ErrorContains(t, err, name, "all faults at once")
	}
	require.NotContains(t, err.Error(), "secret")
}
