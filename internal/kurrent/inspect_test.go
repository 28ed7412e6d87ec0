package kurrent_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim"
	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/kurrent"
)

func TestInspector_FirstNodeIsGone(t *testing.T) {
	t.Parallel()
	server, err := kurrentsim.Start(kurrentsim.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop(context.Background())) })
	gone := startProxy(t, server.Addr())
	gone.Stall()
	inspector, err := kurrent.OpenInspector(kurrent.Config{
		URL: "kurrentdb://" + gone.Addr() + "," + server.Addr() + "?tls=false", AllowPlaintext: true, CallTimeout: kurrentsimtest.Promptly,
	})
	require.NoError(t, err)
	t.Cleanup(inspector.Close)
	_, err = inspector.Time(t.Context())
	require.NoError(t, err, "within the time of one call")
	_, err = inspector.MaxAppend(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, gone.Accepted(), "the node that responded is asked first")
}
