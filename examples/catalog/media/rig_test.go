package media_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/catalog/media"
)

// spoken is what the voice says in the clip with speech.
const spoken = "the quick brown fox jumps over the lazy dog\nshe had a cup of coffee in the morning"

// h264 are ffmpeg's options of a clip that is encoded quickly.
const h264 = " -c:v libx264 -preset ultrafast -c:a aac "

// rig is the tools under test, with a folder for clips.
type rig struct {
	*testing.T
	media.Tools
	folder string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	tools, err := media.Find()
	require.NoError(t, err)
	return &rig{T: t, Tools: tools, folder: t.TempDir()}
}

func (r *rig) path(name string) string { return filepath.Join(r.folder, name) }

// ffmpeg runs ffmpeg itself in the folder, with arguments that spaces separate. Most of
// its time is spent on starting, so one call makes all the clips of a test.
func (r *rig) ffmpeg(args string) {
	r.Helper()
	all := append([]string{"-v", "error", "-nostdin", "-y"}, strings.Fields(args)...)
	program := exec.CommandContext(r.Context(), r.FFmpeg, all...)
	program.Dir = r.folder
	output, err := program.CombinedOutput()
	require.NoError(r, err, string(output))
}

// inspect returns what ffmpeg prints about each of the files.
func (r *rig) inspect(names []string) []string {
	r.Helper()
	args := []string{"-hide_banner"}
	for _, name := range names {
		args = append(args, "-i", r.path(name))
	}
	output, _ := exec.CommandContext(r.Context(), r.FFmpeg, args...).CombinedOutput() // an error: it has no output file
	printed := strings.Split(string(output), "Input #")[1:]
	require.Len(r, printed, len(names), string(output))
	return printed
}

// speech makes a clip in which a voice speaks, and returns its path.
func (r *rig) speech() string {
	r.Helper()
	voice := exec.CommandContext(r.Context(), "flite", "-voice", "slt", "-t", spoken, "-o", r.path("voice.wav"))
	output, err := voice.CombinedOutput()
	require.NoError(r, err, string(output))
	r.ffmpeg("-f lavfi -i testsrc2=size=320x240:rate=10:duration=5 -i voice.wav -shortest -pix_fmt yuv420p" +
		h264 + "speech.mp4")
	return r.path("speech.mp4")
}

// file writes a file, and returns its path.
func (r *rig) file(name, content string) string {
	r.Helper()
	require.NoError(r, os.WriteFile(r.path(name), []byte(content), 0o600))
	return r.path(name)
}

// script writes a shell script that replaces a program, and returns its path.
func (r *rig) script(name, content string) string {
	r.Helper()
	require.NoError(r, os.WriteFile(r.path(name), []byte("#!/bin/sh\n"+content), 0o700))
	return r.path(name)
}

// changed writes a copy of a file, changed by a function, and returns its path.
func (r *rig) changed(from, name string, change func([]byte) []byte) string {
	r.Helper()
	content, err := os.ReadFile(r.path(from))
	require.NoError(r, err)
	return r.file(name, string(change(content)))
}

// running returns the ids of the processes that have a text in their command line.
func running(t require.TestingT, text string) (ids []string) {
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, path := range paths {
		line, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(line), text) {
			ids = append(ids, filepath.Base(filepath.Dir(path)))
		}
	}
	return ids
}
