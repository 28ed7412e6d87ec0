// Package sample makes videos with known speech and uploads them as a browser does. Command
// local shows the catalog with one, and the tests use many. What it leaves out is all that
// makes a real video hard: music, accents, noise and odd encoders.
package sample

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

const makeTimeout = time.Minute

// Find returns an error that names each program that is missing.
func Find() error {
	var missing []error
	for _, program := range []string{"ffmpeg", "flite"} { // Debian's packages have the same names
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, fmt.Errorf("%s is missing: apt-get install %s", program, program))
		}
	}
	return errors.Join(missing...)
}

// Make writes an MP4 file of moving colors, with a voice that says the text. It is as long as
// the voice. Without a text it is MakeSilent of two seconds.
func Make(ctx context.Context, file, text string) error {
	if text == "" {
		return MakeSilent(ctx, file, 2*time.Second, "320x240")
	}
	folder, err := os.MkdirTemp("", "speech-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	speech := filepath.Join(folder, "speech.wav")
	if err := execute(ctx, "flite", "-voice", "slt", "-t", text, "-o", speech); err != nil {
		return err
	}
	return encode(ctx, file, "320x240", "-i", "file:"+speech, "-shortest", "-c:a", "aac")
}

// MakeSilent writes an MP4 file of moving colors without sound. Its size is WIDTHxHEIGHT.
func MakeSilent(ctx context.Context, file string, length time.Duration, size string) error {
	return encode(ctx, file, size, "-t", fmt.Sprintf("%.3f", length.Seconds()))
}

func encode(ctx context.Context, file, size string, args ...string) error {
	source := []string{"-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=rate=15:size=" + size}
	return execute(ctx, "ffmpeg", slices.Concat(source, args, []string{"-c:v", "libx264", "-preset", "ultrafast", "file:" + file})...)
}

func execute(ctx context.Context, program string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, makeTimeout)
	defer cancel()
	if output, err := exec.CommandContext(ctx, program, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %.300s", program, err, output)
	}
	return nil
}
