package rig

import (
	"context"
	"path/filepath"

	"orderflow/dev/programs"
)

// A rig that begins with the binaries of a release has two of each: the release's run
// until they are replaced. Payloads are not encrypted then, for the release may not know
// how.

// Upgrade replaces the processes of a binary by the present build, one after the other.
func (r *Rig) Upgrade(ctx context.Context, binary string) error {
	for _, name := range r.Binaries() {
		if binaryOf(name) != binary {
			continue
		}
		r.change(func() { r.upgraded[name] = true })
		if err := r.processes[name].Restart(ctx, nil); err != nil {
			return err
		}
	}
	return nil
}

// launcher returns what starts a process: the release's build of it, until it is
// upgraded.
func (r *Rig) launcher(process string) programs.Launcher {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.options.launcher()
	if r.options.ReleaseDir != "" && !r.upgraded[process] {
		l.BinDir = r.options.ReleaseDir
	}
	return l
}

// migrate brings the schema to that of the binaries that start first.
func (r *Rig) migrate(ctx context.Context) error {
	_, err := r.output(ctx, filepath.Join(r.launcher(Orderflow).BinDir, Orderflow), nil, "migrate")
	return err
}
