package streams_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim"
	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/kurrent"
	"orderflow/internal/streams"
)

func TestCheckWorker(t *testing.T) {
	t.Parallel()
	server := kurrentsimtest.StartSecure(t, kurrentsim.Options{}, kurrentsimtest.User("worker"))
	admin := kurrentsimtest.OpenClient(t, server.URLFor(kurrentsimtest.Admin))
	worker := kurrentsimtest.OpenClient(t, server.URLFor("worker"))
	require.NoError(t, streams.CheckWorker(t.Context(), worker))

	restrict := func(rights string) {
		t.Helper()
		_, err := admin.Append(t.Context(), "$settings", kurrent.Any(), kurrent.NewEvent{
			ID: uuid.New(), Type: "update-default-acl", Data: []byte(`{"$userStreamAcl":` + rights + `}`),
		})
		require.NoError(t, err)
	}
	restrict(`{"$r":"$admins","$w":"$all","$d":"$admins","$mr":"$all","$mw":"$admins"}`)
	require.ErrorIs(t, streams.CheckWorker(t.Context(), worker), kurrent.ErrAccessDenied, "orders and accounts cannot be read")
	restrict(`{"$r":"$all","$w":"$all","$d":"$admins","$mr":"$admins","$mw":"$admins"}`)
	err := streams.CheckWorker(t.Context(), worker)
	require.ErrorIs(t, err, kurrent.ErrAccessDenied, "a deleted order cannot be told from one that never existed")
	require.ErrorContains(t, err, "read $$order-deployment-gate")

	unknown := kurrentsimtest.OpenClient(t, server.URLFor("unknown"))
	require.ErrorIs(t, streams.CheckWorker(t.Context(), unknown), kurrent.ErrAccessDenied)
	away, err := kurrent.Open(kurrent.Config{URL: "kurrentdb://127.0.0.1:1?tls=false", AllowPlaintext: true})
	require.NoError(t, err)
	defer away.Close()
	require.ErrorIs(t, streams.CheckWorker(t.Context(), away), kurrent.ErrUnavailable)
}
