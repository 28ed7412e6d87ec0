package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"example.com/catalog/video"
)

// run runs a program to its end, and returns the end of its standard error. It returns
// the context's cause if the context ended the program, and a *failure if the program was
// killed or reports an error. The program never outlives the call, nor the process: it
// has its own process group, which is killed when the context ends, and the kernel kills
// the program when the process ends. It is killed without a warning, because its output
// is discarded.
func run(ctx context.Context, program string, stdout io.Writer, args ...string) (string, error) {
	runtime.LockOSThread() // the kernel kills the program with the thread that started it
	defer runtime.UnlockOSThread()
	stderr := &tail{limit: 8 << 10}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = []string{"LC_ALL=C"} // without passwords, and with errors in English
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = attributes()
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return string(stderr.kept), nil
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case errors.As(err, &exit):
		return "", &failure{cmd: cmd, stderr: string(stderr.kept)}
	}
	return "", fmt.Errorf("run %s: %w", filepath.Base(program), err)
}

// failure is the error of a program that was killed or reports an error.
type failure struct {
	cmd    *exec.Cmd
	stderr string
}

func (f *failure) Error() string {
	stderr := strings.TrimSpace(f.stderr)
	last := stderr[strings.LastIndex(stderr, "\n")+1:]
	return fmt.Sprintf("%s: %v: %s", filepath.Base(f.cmd.Path), f.cmd.ProcessState, clean(last))
}

// Unwrap returns ErrCrashed if a signal ended the program, other than those that end it in
// order.
func (f *failure) Unwrap() error {
	inOrder := []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP}
	if status := f.status(); status.Signaled() && !slices.Contains(inOrder, status.Signal()) {
		return ErrCrashed
	}
	return nil
}

func (f *failure) status() syscall.WaitStatus {
	status, _ := f.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return status
}

// classifyFailure decides whether the file or the machine is at fault if ffmpeg or
// ffprobe fails. The file is, unless the program was killed or reports a fault of the
// machine.
func classifyFailure(err error) error {
	var f *failure
	if !errors.As(err, &f) {
		return err
	}
	status := f.status()
	crashes := []syscall.Signal{syscall.SIGSEGV, syscall.SIGABRT, syscall.SIGFPE, syscall.SIGILL}
	switch {
	case status.Signaled() && slices.Contains(crashes, status.Signal()):
		return unusable(video.ReasonBroken, "%s crashes on the file", filepath.Base(f.cmd.Path))
	case status.Signaled(), status.ExitStatus() == 255, // 255: a signal that ffmpeg handles, such as SIGTERM
		strings.Contains(f.stderr, "Unknown encoder"):
		return f
	}
	if strings.Contains(f.stderr, "exceeds specified max pixel count") {
		return unusable(video.ReasonNotVideo, "it has more than %d pixels", maxPixels)
	}
	switch fault := machineFault(f.stderr); fault {
	case 0:
	case syscall.ENOMEM:
		return fmt.Errorf("%w: %s: %w", ErrCrashed, filepath.Base(f.cmd.Path), fault)
	default:
		return fmt.Errorf("%s: %w", filepath.Base(f.cmd.Path), fault)
	}
	return unusable(video.ReasonBroken, "%s", f.detail())
}

// machineFault returns the operating system's error that ffmpeg's messages contain, or 0.
// A hostile file can make ffmpeg print one. Then the file is retried until the caller's
// limit.
func machineFault(stderr string) syscall.Errno {
	stderr = strings.ToLower(stderr)
	for _, fault := range []syscall.Errno{
		syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG, syscall.EROFS, syscall.EACCES, syscall.ENOENT,
		syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE, syscall.EAGAIN,
	} {
		if strings.Contains(stderr, fault.Error()) {
			return fault
		}
	}
	return 0
}

// detail returns ffmpeg's first message, without addresses and paths.
func (f *failure) detail() string {
	text := f.stderr
	for _, arg := range f.cmd.Args {
		if strings.HasPrefix(arg, "file:") {
			text = strings.ReplaceAll(text, arg, "the file")
		}
	}
	first, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	first = regexp.MustCompile(`\[([^\]@]*) @ 0x[0-9a-f]+\]`).ReplaceAllString(first, "$1:")
	if first == "" {
		return "it cannot be decoded"
	}
	return "it cannot be decoded: " + first
}
