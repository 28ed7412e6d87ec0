package ops

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/config"
	"orderflow/internal/version"
)

func TestProgram(t *testing.T) {
	t.Parallel()
	ran := errors.New("it ran")
	p := Program{Name: "worker", Summary: "Host the workflows.", Run: func(_ context.Context, environ []string, _ io.Writer) error {
		require.Equal(t, []string{"A=b"}, environ)
		return ran
	}}
	call := func(args ...string) (string, error) {
		var stdout, stderr bytes.Buffer
		err := p.call(t.Context(), args, []string{"A=b"}, &stdout, &stderr)
		require.Empty(t, stderr.String())
		return stdout.String(), err
	}
	out, err := call()
	require.ErrorIs(t, err, ran)
	require.Empty(t, out)
	for _, flag := range []string{"--help", "-h"} {
		out, err = call(flag)
		require.NoError(t, err)
		require.Contains(t, out, "usage: worker [--help | --version]\nHost the workflows.\n")
		require.Contains(t, out, "docs/configuration.md")
	}
	out, err = call("--version")
	require.NoError(t, err)
	require.Equal(t, "worker "+version.Read().String()+"\n", out)
	for _, args := range [][]string{{"migrate"}, {"--loud"}, {"--help", "me"}, {""}} {
		out, err = call(args...)
		require.EqualError(t, err, "arguments: must be none, --help or --version: operators use the command orderflow")
		require.Equal(t, config.ExitConfiguration, config.ExitCode(err))
		require.Empty(t, out)
	}
}
