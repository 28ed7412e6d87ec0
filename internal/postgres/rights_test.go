package postgres_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/postgres"
)

func TestCheckWorker(t *testing.T) {
	w := newWorldToChange(t, postgres.Config{})
	role := w.role("checked worker")
	address, err := url.Parse(w.url)
	require.NoError(t, err)
	address.User = url.UserPassword("checked worker", "secret")
	store, err := openStores(t.Context(), postgres.Config{URL: address.String()})
	require.NoError(t, err)
	t.Cleanup(store.Close)
	blocked := func(text string) {
		t.Helper()
		err := store.CheckWorker(t.Context())
		require.ErrorContains(t, err, text)
		var operator interface {
			error
			Blocked() bool
		}
		require.ErrorAs(t, err, &operator)
		require.True(t, operator.Blocked(), "no retry clears it")
	}

	blocked("42501") // it may not even read the schema's version
	require.NoError(t, w.exec("SELECT orderflow_grant_worker($1)", "checked worker"))
	require.NoError(t, store.CheckWorker(t.Context()), "what the grant gives suffices")

	require.NoError(t, w.exec("REVOKE UPDATE ON email_delivery, orderflow_lease FROM "+role))
	blocked("the role lacks rights: UPDATE on email_delivery, UPDATE on orderflow_lease")
	require.NoError(t, w.exec("SELECT orderflow_grant_worker($1)", "checked worker"))

	require.NoError(t, w.exec("UPDATE orderflow_schema_version SET version = version - 1"))
	require.ErrorIs(t, store.CheckWorker(t.Context()), postgres.ErrSchemaOutdated)
	blocked("run `orderflow migrate`")
}
