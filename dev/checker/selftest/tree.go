package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// tree is a copy of the checkout in which bugs are planted.
type tree struct {
	origin string // the checkout
	dir    string // holds the copy, the binaries and the state of the runs
}

func (t *tree) source() string         { return filepath.Join(t.dir, "source") }
func (t *tree) bin(name string) string { return filepath.Join(t.dir, "bin", name) }
func (t *tree) patch(name string) string {
	return filepath.Join(t.origin, "dev", "checker", "bugs", name+".patch")
}

// copyTree copies the files that git tracks, including uncommitted changes.
func copyTree(ctx context.Context, dir string) (*tree, error) {
	top, err := output(ctx, "", "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return nil, fmt.Errorf("find the checkout: %w", err)
	}
	t := &tree{origin: strings.TrimSpace(top), dir: dir}
	list, err := output(ctx, t.origin, "git", "ls-files", "-z")
	if err != nil {
		return nil, fmt.Errorf("list the tracked files: %w", err)
	}
	for name := range strings.SplitSeq(strings.TrimRight(list, "\x00"), "\x00") {
		if err := copyFile(filepath.Join(t.origin, name), filepath.Join(t.source(), name)); err != nil {
			return nil, fmt.Errorf("copy the tree: %w", err)
		}
	}
	return t, nil
}

func copyFile(from, to string) error {
	body, err := os.ReadFile(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // removed and not yet committed
	}
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, body, 0o644)
}

// plant applies a patch, and remove reverts it.
func (t *tree) plant(ctx context.Context, patch string) error { return t.apply(ctx, patch) }
func (t *tree) remove(ctx context.Context, patch string) error {
	return t.apply(ctx, patch, "--reverse")
}

func (t *tree) apply(ctx context.Context, patch string, flags ...string) error {
	args := append([]string{"apply", "--whitespace=nowarn"}, flags...)
	if _, err := output(ctx, t.source(), "git", append(args, t.patch(patch))...); err != nil {
		return fmt.Errorf("dev/checker/bugs/%s.patch does not apply: %w", patch, err)
	}
	return nil
}

// output runs a program and returns its standard output. Its error contains the standard
// error.
func output(ctx context.Context, dir, program string, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	command := exec.CommandContext(ctx, program, args...)
	command.Dir, command.Stdout, command.Stderr = dir, &stdout, &stderr
	command.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir)) // the copy is not part of a repository
	if err := command.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s: %w: %s", program, err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}
