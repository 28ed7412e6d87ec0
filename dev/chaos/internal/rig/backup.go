package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// Backup is a copy of everything that a store held at one moment.
type Backup struct {
	Store string
	At    time.Time // nothing was written to the store between this moment and the copy

	dir string
}

// Backup copies a store's files. The store is down meanwhile.
func (r *Rig) Backup(ctx context.Context, store string) (Backup, error) {
	b := Backup{Store: store, dir: filepath.Join(r.options.Dir, "backup-"+store)}
	err := r.processes[store].whileDown(ctx, func() error {
		b.At = time.Now()
		if err := os.MkdirAll(b.dir, 0o755); err != nil { // the server may run as another user
			return err
		}
		return r.copyFiles(ctx, store, b.dir)
	})
	if err != nil {
		return b, fmt.Errorf("back up %s: %w", store, err)
	}
	return b, nil
}

// PutBack replaces a store's files by those of a backup. What was written since is lost.
// The binaries in absent are stopped before, and started when the store is back and back
// returned: an operator has to, if the store's documentation says so.
func (r *Rig) PutBack(ctx context.Context, b Backup, absent []string, back func(lost Interval) error) (lost Interval, err error) {
	var stopped []string
	for _, name := range r.Binaries() {
		if slices.Contains(absent, binaryOf(name)) {
			stopped = append(stopped, name)
		}
	}
	lost.From = b.At
	replace := func() error {
		lost.To = time.Now()
		if b.Store == Postgres {
			r.change(func() { r.lost = append(r.lost, lost) })
		}
		return r.replaceFiles(ctx, b)
	}
	err = r.whileEachDown(ctx, stopped, func() error {
		if err := r.processes[b.Store].whileDown(ctx, replace); err != nil {
			return err
		}
		return back(lost)
	})
	if err != nil {
		return lost, fmt.Errorf("put %s back: %w", b.Store, err)
	}
	return lost, nil
}

// whileEachDown stops processes, calls do, and starts them again.
func (r *Rig) whileEachDown(ctx context.Context, names []string, do func() error) error {
	stopping, cancel := context.WithTimeout(ctx, stopGrace)
	defer cancel()
	if err := r.stopEach(stopping, names); err != nil && ctx.Err() != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	var group errgroup.Group
	for _, name := range names {
		group.Go(func() error { return r.processes[name].Start(ctx, nil) })
	}
	return group.Wait()
}

// files returns the paths of a store's files and folders.
func (r *Rig) files(store string) ([]string, error) {
	switch store {
	case Postgres:
		return []string{r.primary()}, nil
	case Temporal:
		return filepath.Glob(filepath.Join(r.options.Dir, "temporal.db*"))
	case KurrentDB:
		return []string{filepath.Join(r.options.Dir, KurrentDB)}, nil
	default:
		return nil, errors.New("it cannot be copied")
	}
}

func (r *Rig) copyFiles(ctx context.Context, store, into string) error {
	files, err := r.files(store)
	if err != nil {
		return err
	}
	return copyAll(ctx, files, into)
}

func (r *Rig) replaceFiles(ctx context.Context, b Backup) error {
	files, err := r.files(b.Store)
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := os.RemoveAll(file); err != nil {
			return err
		}
	}
	copies, err := filepath.Glob(filepath.Join(b.dir, "*"))
	if err != nil {
		return err
	}
	return copyAll(ctx, copies, r.options.Dir)
}

// copyAll copies files and folders with their owners and modes: PostgreSQL accepts no
// others.
func copyAll(ctx context.Context, files []string, into string) error {
	command := exec.CommandContext(ctx, "cp", append(append([]string{"-a"}, files...), into)...)
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("copy: %w: %s", err, lastLine(string(output)))
	}
	return nil
}
