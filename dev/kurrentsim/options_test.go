package kurrentsim_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim"
	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/kurrent"
)

func TestInfoOptions(t *testing.T) {
	t.Parallel()
	open := func(url string) *kurrent.Inspector {
		inspector, err := kurrent.OpenInspector(kurrent.Config{URL: url, AllowPlaintext: true, CallTimeout: time.Minute})
		require.NoError(t, err)
		t.Cleanup(inspector.Close)
		return inspector
	}
	server, err := kurrentsim.Start(kurrentsim.Options{MaxAppendSize: 2000})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop(context.Background())) })
	events := open(server.URL())
	limit, err := events.MaxAppend(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 2000, limit)
	_, err = events.Append(t.Context(), "s", kurrent.Any(), kurrentsimtest.Event("big", `"`+strings.Repeat("x", 2000)+`"`))
	require.ErrorIs(t, err, kurrent.ErrTooLarge, "the limit holds")

	secure := kurrentsimtest.StartSecure(t, kurrentsim.Options{}, kurrentsimtest.User("plain"))
	limit, err = open(secure.URLFor(kurrentsimtest.Admin)).MaxAppend(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1<<20, limit)
	_, err = open(secure.URLFor("plain")).MaxAppend(t.Context())
	require.ErrorIs(t, err, kurrent.ErrAccessDenied)
}
