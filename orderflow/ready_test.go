package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/dev/opstest"
	"orderflow/internal/config"
	"orderflow/internal/ops"
)

func TestReady(t *testing.T) {
	t.Parallel()
	ask := func(t *testing.T, address string, flags ...string) (string, error) {
		t.Helper()
		var stdout bytes.Buffer
		c := &cli{args: append([]string{"ready"}, flags...), environ: []string{"OPS_ADDR=" + address}, stdout: &stdout, stderr: io.Discard}
		err := c.run(t.Context())
		return stdout.String(), err
	}
	// start returns the daemon's address as the daemon was told to listen: on all interfaces.
	start := func(t *testing.T, check ops.Check) string {
		t.Helper()
		daemon := opstest.Start(t, func(ctx context.Context, log io.Writer) error {
			o := ops.Options{
				Service: "baker", Addr: ":0", Ready: map[string]ops.Check{"oven": check}, Logger: slog.New(slog.NewTextHandler(log, nil)),
			}
			return ops.Run(ctx, o, func(ctx context.Context) error {
				<-ctx.Done()
				return nil
			})
		})
		address := daemon.Find(`serving operations" address=(\S+)`)
		return address[strings.LastIndex(address, ":"):]
	}
	t.Run("follows the daemon's readiness", func(t *testing.T) {
		t.Parallel()
		var cold atomic.Bool
		cold.Store(true)
		address := start(t, func(context.Context) error {
			if cold.Load() {
				return errors.New("is cold")
			}
			return nil
		})
		report, err := ask(t, address)
		require.EqualError(t, err, "not ready")
		require.Equal(t, config.ExitFailure, config.ExitCode(err))
		require.Contains(t, report, `"oven":"is cold"`)
		cold.Store(false)
		require.Eventually(t, func() bool {
			report, err = ask(t, address)
			return err == nil
		}, longEnough, waitTick)
		require.Contains(t, report, `"oven":"ok"`)
	})
	t.Run("does not count excluded checks", func(t *testing.T) {
		t.Parallel()
		address := start(t, func(context.Context) error { return errors.New("is cold") })
		var report string
		require.Eventually(t, func() (ready bool) {
			var err error
			report, err = ask(t, address, "--exclude", "oven")
			return err == nil
		}, longEnough, waitTick)
		require.Contains(t, report, `"oven":"is cold"`, "the check is shown")
		report, err := ask(t, address, "--exclude", "oven", "--exclude", "o&en")
		require.EqualError(t, err, "not ready")
		require.Contains(t, report, `no check of readiness is called "o&en"`)
	})
	t.Run("fails if no daemon listens", func(t *testing.T) {
		t.Parallel()
		_, err := ask(t, "127.0.0.1:1")
		require.ErrorContains(t, err, "ready: ")
		require.Equal(t, config.ExitFailure, config.ExitCode(err))
	})
	t.Run("needs the daemon's address", func(t *testing.T) {
		t.Parallel()
		_, err := ask(t, "")
		require.EqualError(t, err, "OPS_ADDR: is required")
		_, err = ask(t, "nowhere")
		require.EqualError(t, err, "OPS_ADDR: must be host:port")
	})
}

func TestLocalAddress(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		":9090": "127.0.0.1:9090", "0.0.0.0:9090": "127.0.0.1:9090", "[::]:9090": "[::1]:9090", "10.0.0.7:9090": "10.0.0.7:9090",
		"localhost:9090": "localhost:9090",
	} {
		require.Equal(t, want, localAddress(addr))
	}
}
