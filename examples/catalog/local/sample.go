package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"example.com/catalog/sample"
)

const sampleText = "good morning this is a test of the video there was a house on the hill and a man in the garden"

// showSample makes a video, uploads it, and waits until it is cataloged.
func showSample(ctx context.Context, url, folder string, stdout io.Writer) error {
	file := filepath.Join(folder, "sample.mp4")
	if err := sample.Make(ctx, file, sampleText); err != nil {
		return fmt.Errorf("make a sample: %w", err)
	}
	defer func() { _ = os.Remove(file) }()
	began := time.Now()
	id, err := upload(ctx, url, file)
	if err != nil {
		return fmt.Errorf("upload the sample: %w", err)
	}
	_, _ = fmt.Fprintf(stdout, "uploaded     %s/videos/%s\n", url, id)
	v, err := sample.Await(ctx, url, id)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(stdout, "%-12s after %.1f s\nspoken       %s\ntranscript   %s\n", v.Status, time.Since(began).Seconds(), sampleText, v.Transcript)
	if v.Status != "cataloged" {
		return fmt.Errorf("the sample is %s: %s", v.Status, v.Reason)
	}
	return nil
}

// upload uploads the sample once the catalog listens.
func upload(ctx context.Context, url, file string) (id string, err error) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		id, err = sample.Upload(ctx, url, "Sample: colors and a voice", file)
		if !errors.Is(err, syscall.ECONNREFUSED) {
			return id, err
		}
		select {
		case <-ctx.Done():
			return "", context.Cause(ctx)
		case <-tick.C:
		}
	}
}
