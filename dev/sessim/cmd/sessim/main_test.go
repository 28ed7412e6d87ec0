package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/config"
)

// output is standard error that can be read while it is written.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

func TestRun(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	stderr, ended := &output{}, make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"--listen", "127.0.0.1:0", "--data", filepath.Join(t.TempDir(), "inbox")}, stderr)
	}()
	var url string
	require.Eventually(t, func() bool {
		url = regexp.MustCompile(`http://[^ \n]+`).FindString(stderr.String())
		return url != ""
	}, time.Minute, 5*time.Millisecond)
	response, err := http.Get(url)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)
	stop()
	select {
	case err := <-ended:
		require.NoError(t, err)
	case <-time.After(time.Minute):
		require.FailNow(t, "it did not stop")
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	notes := filepath.Join(t.TempDir(), "notes")
	require.NoError(t, os.WriteFile(notes, []byte("no inbox\n"), 0o600))
	tests := []struct {
		name string
		args []string
		code int
		want string
	}{
		{"help is no failure", []string{"-h"}, 0, ""},
		{"an unknown flag", []string{"--port", "1"}, 2, "arguments: flag provided but not defined: -port"},
		{"an argument too many", []string{"now"}, 2, `arguments: unexpected "now"`},
		{"an address without port", []string{"--listen", "localhost"}, 2, "--listen: must be host:port"},
		{"an inbox that keeps nothing", []string{"--keep", "0"}, 2, "--keep: must be at least 1"},
		{"a file that is no inbox", []string{"--listen", "127.0.0.1:0", "--data", notes}, 1, "open inbox"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := run(t.Context(), test.args, io.Discard)
			require.Equal(t, test.code, config.ExitCode(err))
			if test.want != "" {
				require.ErrorContains(t, err, test.want)
			}
		})
	}
}
