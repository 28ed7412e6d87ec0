package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/postgres"
)

func TestSchemaDependency(t *testing.T) {
	t.Parallel()
	pool, err := postgres.Open(t.Context(), postgres.Config{URL: "postgres://127.0.0.1:1/orders"})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	d := schemaDependency(pool)
	require.True(t, d.MayPass(postgres.ErrUnavailable), "an outage is waited for")
	require.False(t, d.MayPass(postgres.ErrSchemaOutdated), "an api without the migration must not replace one with it")
	require.True(t, pool.Dependency().MayPass(postgres.ErrSchemaOutdated), "the other daemons are not ready meanwhile")
}
