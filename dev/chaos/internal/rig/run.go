package rig

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// killDelay is how long a program that ran out of time has to end.
const killDelay = 5 * time.Second

// Run runs a binary that reaches the stores directly, such as `orderflow migrate`, to
// its end.
func (r *Rig) Run(ctx context.Context, binary string, args ...string) error {
	_, err := r.Output(ctx, binary, args...)
	return err
}

// Output is like Run and returns the program's standard output. If the exit code is not
// 0, it returns an *exec.ExitError together with the output.
func (r *Rig) Output(ctx context.Context, binary string, args ...string) ([]byte, error) {
	return r.OutputWith(ctx, nil, binary, args...)
}

// OutputWith is Output with extra variables.
func (r *Rig) OutputWith(ctx context.Context, variables map[string]string, binary string, args ...string) ([]byte, error) {
	return r.output(ctx, filepath.Join(r.options.BinDir, binary), variables, args...)
}

func (r *Rig) output(ctx context.Context, path string, variables map[string]string, args ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, path, args...)
	command.Env = r.environment(r.addresses, variables)
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = killDelay
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return stdout.Bytes(), fmt.Errorf("%s %s: %w: %s", filepath.Base(path), strings.Join(args, " "), err, lastLine(stderr.String()))
	}
	return stdout.Bytes(), nil
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
