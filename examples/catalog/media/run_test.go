package media_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/catalog/files"
	"example.com/catalog/media"
	"example.com/catalog/video"
)

// crashingEnv names the clip that the test binary transcodes instead of running tests,
// until it is killed.
const crashingEnv = "MEDIA_TEST_TRANSCODE"

func TestMain(m *testing.M) {
	if from := os.Getenv(crashingEnv); from != "" {
		tools, err := media.Find()
		if err == nil {
			info := media.Info{Width: 640, Height: 360}
			err = tools.Transcode(context.Background(), from, from+".out.mp4", info, func(int) {})
		}
		panic(err)
	}
	os.Exit(m.Run())
}

// long makes a clip whose transcoding takes much longer than a test looks at it.
func (r *rig) long() (path string, info media.Info) {
	r.Helper()
	r.ffmpeg("-f lavfi -i testsrc2=size=640x360:rate=10:duration=1" + h264 + "short.mp4")
	r.ffmpeg("-stream_loop 599 -i short.mp4 -c copy long.mp4")
	return r.path("long.mp4"), media.Info{Duration: 10 * time.Minute, Width: 640, Height: 360}
}

// whenRunning calls act with the id of the process that has a text in its command line,
// once it has written to a file.
func whenRunning(t *testing.T, text, file string, act func(id int)) {
	t.Helper()
	require.Eventually(t, func() bool {
		info, err := os.Stat(file)
		return err == nil && info.Size() > 0 && len(running(t, text)) == 1
	}, 30*time.Second, 50*time.Millisecond)
	id, err := strconv.Atoi(running(t, text)[0])
	require.NoError(t, err)
	act(id)
}

func TestInterruption(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	from, info := r.long()
	t.Run("a canceled context leaves no process and no file", func(t *testing.T) {
		d, err := files.OpenDisk(r.path("files"))
		require.NoError(t, err)
		defer d.Close()
		to, remove, err := d.Temporary("out.mp4")
		require.NoError(t, err)
		ctx, cancel := context.WithCancelCause(t.Context())
		shutdown := errors.New("shutdown")
		ended := make(chan error, 1)
		go func() {
			defer remove()
			ended <- r.Transcode(ctx, from, to, info, func(int) {})
		}()
		whenRunning(t, to, to, func(int) { cancel(shutdown) })
		require.ErrorIs(t, <-ended, shutdown)
		require.Empty(t, running(t, to))
		require.Eventually(t, func() bool { return !exists(to) }, 10*time.Second, time.Millisecond)
	})
	for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		t.Run("ffmpeg that ends by a signal is no fault of the file: "+signal.String(), func(t *testing.T) {
			to, ended := r.path(strconv.Itoa(int(signal))+".mp4"), make(chan error, 1)
			go func() { ended <- r.Transcode(t.Context(), from, to, info, func(int) {}) }()
			whenRunning(t, to, to, func(id int) { require.NoError(t, syscall.Kill(id, signal)) })
			err := <-ended
			requireMachine(t, err)
			require.Equal(t, signal == syscall.SIGKILL, errors.Is(err, media.ErrCrashed), err)
		})
	}
	t.Run("the kernel ends ffmpeg with a process that crashes", func(t *testing.T) {
		process := exec.CommandContext(t.Context(), os.Args[0])
		process.Env = append(os.Environ(), crashingEnv+"="+from)
		require.NoError(t, process.Start())
		to := from + ".out.mp4"
		whenRunning(t, to, to, func(int) { require.NoError(t, process.Process.Kill()) })
		require.Error(t, process.Wait())
		require.Eventually(t, func() bool { return len(running(t, to)) == 0 }, 10*time.Second, 10*time.Millisecond)
	})
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func TestMachine(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	from, info := r.path("in.mp4"), media.Info{Duration: time.Second, Width: 64, Height: 48, HasAudio: true}
	r.ffmpeg("-f lavfi -i testsrc2=size=64x48:rate=10:duration=1 -f lavfi -i anoisesrc=duration=1" + h264 + "in.mp4")
	t.Run("a full disk", func(t *testing.T) {
		err := r.Transcode(t.Context(), from, "/dev/full", info, func(int) {}) // each write is ENOSPC
		require.ErrorIs(t, err, syscall.ENOSPC)
		requireMachine(t, err)
		_, _, err = r.Transcribe(t.Context(), from, "/dev/full", func(int) {})
		require.ErrorIs(t, err, syscall.ENOSPC)
		requireMachine(t, err)
	})
	t.Run("a missing file, folder or program", func(t *testing.T) {
		_, err := r.Probe(t.Context(), r.path("none.mp4"))
		require.ErrorIs(t, err, fs.ErrNotExist)
		requireMachine(t, err)
		err = r.Transcode(t.Context(), from, r.path("none/out.mp4"), info, func(int) {})
		require.ErrorIs(t, err, fs.ErrNotExist)
		requireMachine(t, err)
		r := *r
		r.FFprobe = r.path("none")
		_, err = r.Probe(t.Context(), from)
		require.ErrorIs(t, err, fs.ErrNotExist)
		requireMachine(t, err)
	})
	t.Run("a context that ended before", func(t *testing.T) {
		ctx, cancel := context.WithDeadlineCause(t.Context(), time.Now(), errors.New("too late"))
		defer cancel()
		_, err := r.Probe(ctx, from)
		require.ErrorContains(t, err, "too late")
	})
}

func TestProgram(t *testing.T) {
	r := newRig(t)
	from := r.file("in.mp4", "\x00\x00\x00\x08free")
	info := media.Info{Duration: time.Second, Width: 64, Height: 48}
	transcode := func(script string) error {
		tools := r.Tools
		tools.FFmpeg = r.script("ffmpeg", script)
		return tools.Transcode(t.Context(), from, r.path("out.mp4"), info, func(int) {})
	}
	t.Run("that crashes on a file crashes again", func(t *testing.T) {
		require.Equal(t, video.ReasonBroken, requireUnusable(t, transcode("kill -SEGV $$")).Reason)
	})
	t.Run("without memory may have read a file that needs too much", func(t *testing.T) {
		err := transcode("echo 'Error: Cannot allocate memory' >&2; exit 1")
		require.ErrorIs(t, err, media.ErrCrashed)
		require.ErrorIs(t, err, syscall.ENOMEM)
		requireMachine(t, err)
	})
	t.Run("that crashes in the recognizer is counted", func(t *testing.T) {
		sphinx := media.Sphinx{Program: r.script("sphinx", "kill -SEGV $$"), Model: r.folder}
		_, err := sphinx.Recognize(t.Context(), from)
		require.ErrorIs(t, err, media.ErrCrashed)
		requireMachine(t, err)
	})
	t.Run("that writes without end takes no memory", func(t *testing.T) {
		err := transcode("yes out_time_us=1 | head -c 5000000 | tr -d '\\n'; yes noise | head -c 5000000 >&2; exit 1")
		require.Contains(t, requireUnusable(t, err).Detail, "noise")
	})
	t.Run("that starts another is ended with it", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		tools, ended := r.Tools, make(chan error, 1)
		tools.FFmpeg = r.script("ffmpeg", "sleep 1234 & echo $! >"+r.path("child")+"; wait")
		go func() { ended <- tools.Transcode(ctx, from, r.path("out.mp4"), info, func(int) {}) }()
		child := ""
		require.Eventually(t, func() bool {
			content, _ := os.ReadFile(r.path("child"))
			child = strings.TrimSpace(string(content))
			return child != ""
		}, 10*time.Second, time.Millisecond)
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
		require.Eventually(t, func() bool { // it is gone, or waits for its new parent to notice
			status, err := os.ReadFile(filepath.Join("/proc", child, "cmdline"))
			return err != nil || len(status) == 0
		}, 10*time.Second, time.Millisecond)
	})
	t.Run("gets no environment", func(t *testing.T) {
		t.Setenv("PASSWORD", "secret")
		err := transcode(`echo "the password is $PASSWORD." >&2; exit 1`)
		require.Contains(t, requireUnusable(t, err).Detail, "the password is .")
	})
}

func TestFind(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := media.Find()
	for _, name := range []string{"ffmpeg", "ffprobe", "pocketsphinx_continuous", "apt-get install"} {
		require.ErrorContains(t, err, name)
	}
}
