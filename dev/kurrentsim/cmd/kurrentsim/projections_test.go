package main

import (
	"testing"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver/devservertest"
)

func TestServeProjections(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		flags  []string
		status string // of $by_category; empty if there is no service for projections
		linked bool
	}{
		"run":                {nil, "Running", true},
		"are missing":        {[]string{"--run-projections", "none"}, "", false},
		"wait to be enabled": {[]string{"--start-standard-projections=false"}, "Stopped", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := devservertest.Address(t)
			startServer(t, append(c.flags, "--listen", address)...)
			client := connect(t, address)
			_, err := client.AppendToStream(t.Context(), "order-1", kurrentdb.AppendToStreamOptions{}, newEvent(`{}`))
			require.NoError(t, err)
			read, err := client.ReadStream(t.Context(), "$ce-order", kurrentdb.ReadStreamOptions{}, 1)
			if err == nil {
				defer read.Close()
				_, err = read.Recv()
			}
			require.Equal(t, c.linked, err == nil, "%v", err)
			projections := kurrentdb.NewProjectionClientFromExistingClient(client)
			found, err := projections.GetStatus(t.Context(), "$by_category", kurrentdb.GenericProjectionOptions{})
			if c.status == "" {
				require.ErrorContains(t, err, "not supported")
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.status, found.Status)
		})
	}
	code, _, stderr := runToEnd(t, "--run-projections", "some")
	require.Equal(t, 2, code, stderr)
}
