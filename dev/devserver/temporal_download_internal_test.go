package devserver

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fakeCLI is a program that hasDevServer accepts.
const fakeCLI = "#!/bin/sh\necho --sqlite-pragma\n"

func TestDownload_SDK(t *testing.T) {
	t.Parallel()
	program, err := TemporalCLI(t.Context(), "", os.Stderr)
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.Symlink(program, downloaded("v0.0.1", dir))) // no such release exists

	require.NoError(t, fetchBySDK(t.Context(), "v0.0.1", dir), "the SDK finds the program in its cache, starts and stops it")
}

func TestDownload(t *testing.T) {
	t.Parallel()
	source := httptest.NewServer(http.NotFoundHandler()) // as the source responds to a request for no version
	t.Cleanup(source.Close)
	writes := func(content string) func(context.Context, string, string) error {
		return func(_ context.Context, version, dir string) error {
			return errors.Join(os.WriteFile(downloaded(version, dir), []byte(content), 0o755), errors.New("its server failed"))
		}
	}
	for name, test := range map[string]struct {
		fetch func(context.Context, string, string) error
		built bool
	}{
		"is used, and not built":                    {fetch: writes(fakeCLI)},
		"that fails is replaced by a build":         {fetch: func(context.Context, string, string) error { return errors.New("404") }, built: true},
		"of another program is replaced by a build": {fetch: writes("#!/bin/sh\n"), built: true},
		"that hangs is replaced by a build": {built: true, fetch: func(ctx context.Context, _, _ string) error {
			<-ctx.Done()
			return ctx.Err()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			build := smallBuild(t)
			build.download = &cliDownload{source: source.URL, probeLimit: time.Minute, longLimit: 200 * time.Millisecond, fetch: test.fetch}
			if !test.built {
				build.download.longLimit = time.Minute
				require.NoError(t, os.RemoveAll(build.tools), "nothing to build from")
			}
			require.NoError(t, build.run(t.Context()))
			require.True(t, build.current())
			_, err := os.Readlink(build.path())
			require.Equal(t, test.built, err != nil, "a download is a link")

			build.download = nil
			require.NoError(t, build.run(t.Context()), "nothing is left to do")
			build.version = "v9.9.9"
			require.False(t, build.current())
		})
	}
}

// A network that accepts connections and delivers nothing delays the build only for so
// long.
func TestDownload_Unreachable(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = silent.Close() })
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	for _, source := range []string{"http://" + silent.Addr().String(), closed.URL} {
		build := smallBuild(t)
		said := &bytes.Buffer{}
		build.progress = said
		build.download = &cliDownload{source: source, probeLimit: 200 * time.Millisecond, longLimit: time.Hour,
			fetch: func(context.Context, string, string) error { return errors.New("it was fetched") },
		}
		require.NoError(t, build.run(t.Context()))
		require.True(t, build.current())
		require.Contains(t, said.String(), "downloading the Temporal CLI (devel) into "+filepath.Dir(build.path()))
		require.Contains(t, said.String(), "cannot be downloaded, so it is built: ")
		require.NotContains(t, said.String(), "it was fetched")
		require.Contains(t, said.String(), "three minutes, once\nbuilt the Temporal CLI in ")
	}
}
