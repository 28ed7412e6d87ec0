package opstest

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// killDelay is how long a program has to stop before it is killed.
const killDelay = time.Minute

// Build compiles programs of this module into a folder. They are given by their paths
// from the folder of the test, such as ../worker.
func Build(ctx context.Context, dir string, paths ...string) error {
	args := append([]string{"build", "-o", dir + string(filepath.Separator)}, paths...)
	if out, err := exec.CommandContext(ctx, "go", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("build %v: %w: %s", paths, err, out)
	}
	return nil
}

// Run runs a program with additional variables until ctx ends, and then asks it to stop.
// It returns an error if the program fails.
func Run(ctx context.Context, path string, environ []string, log io.Writer) error {
	program := exec.CommandContext(ctx, path)
	program.Env = append(os.Environ(), environ...)
	program.Stdout, program.Stderr = log, log
	program.Cancel = func() error { return program.Process.Signal(syscall.SIGTERM) }
	program.WaitDelay = killDelay
	err := program.Run()
	if program.ProcessState != nil && program.ProcessState.Success() {
		return nil // and not the error of a context that asked it to stop
	}
	return err
}
