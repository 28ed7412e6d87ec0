package devserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/testsuite"
)

const (
	// downloadSource is where the SDK looks up and fetches the CLI.
	downloadSource = "https://temporal.download"

	// probeTimeout bounds the question whether the source is reachable. The SDK's own
	// requests wait for the network as long as the kernel does.
	probeTimeout = 20 * time.Second

	// downloadTimeout bounds the download, of about 100 MB: a network that takes longer is
	// slower than the build.
	downloadTimeout = 3 * time.Minute
)

// cliDownload fetches a version of the CLI by the SDK, which keeps it in a folder.
type cliDownload struct {
	source                string
	probeLimit, longLimit time.Duration
	fetch                 func(ctx context.Context, version, dir string) error
}

func sdkDownload() *cliDownload {
	return &cliDownload{source: downloadSource, probeLimit: probeTimeout, longLimit: downloadTimeout, fetch: fetchBySDK}
}

// downloaded returns the path that the SDK gives to a version.
func downloaded(version, dir string) string { return filepath.Join(dir, "temporal-cli-"+version) }

// run fetches the CLI unless the folder has it, and returns its path.
func (d *cliDownload) run(ctx context.Context, version, dir string) (string, error) {
	path := downloaded(version, dir)
	if hasDevServer(ctx, path) {
		return path, nil
	}
	if err := d.probe(ctx); err != nil {
		return "", err
	}
	fetching, cancel := context.WithTimeout(ctx, d.longLimit)
	defer cancel()
	err := d.fetch(fetching, version, dir)
	if hasDevServer(ctx, path) { // whatever became of the server that the SDK starts
		return path, nil
	}
	return "", errors.Join(err, fmt.Errorf("%s is no Temporal CLI", path))
}

// probe returns nil if the source responds, with any status.
func (d *cliDownload) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.probeLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, d.source, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	return response.Body.Close()
}

// fetchBySDK starts a server by the SDK, which downloads the CLI for that, and stops it:
// the SDK exports no download without a server.
func fetchBySDK(ctx context.Context, version, dir string) error {
	server, err := testsuite.StartDevServer(ctx, testsuite.DevServerOptions{
		CachedDownload: testsuite.CachedDownload{Version: version, DestDir: dir},
		ClientOptions:  &client.Options{Logger: silentLogger{}},
		Stdout:         io.Discard, Stderr: io.Discard,
	})
	if err != nil {
		return err
	}
	server.Client().Close()
	return server.Stop()
}

// link makes the downloaded program available under the name that the documentation uses.
func link(program, path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Symlink(filepath.Base(program), path)
}
