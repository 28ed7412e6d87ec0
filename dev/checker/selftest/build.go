package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// The programs of a run: those that bugs are planted in, and those that run and judge
// them and stay as they are.
func product() []string {
	return []string{"./starter", "./worker", "./publisher", "./api", "./orderflow"}
}
func judges() []string {
	return []string{"./dev/chaos", "./dev/checker", "./dev/kurrentsim/cmd/kurrentsim", "./dev/sessim/cmd/sessim", "./projector"}
}

// clean is the folder of the binaries without a bug.
const clean = "clean"

// buildClean builds everything from the unmodified tree.
func (t *tree) buildClean(ctx context.Context) error {
	return t.build(ctx, clean, append(product(), judges()...)...)
}

// buildBug builds the product with the planted bug and links the clean judges into its
// folder.
func (t *tree) buildBug(ctx context.Context, name string) error {
	if err := t.build(ctx, name, product()...); err != nil {
		return err
	}
	for _, pkg := range judges() {
		program := filepath.Base(pkg)
		if err := os.Symlink(filepath.Join(t.bin(clean), program), filepath.Join(t.bin(name), program)); err != nil {
			return fmt.Errorf("build %s: %w", name, err)
		}
	}
	return nil
}

// build compiles with failpoints enabled.
func (t *tree) build(ctx context.Context, name string, packages ...string) error {
	args := append([]string{"build", "-tags", "failpoint", "-o", t.bin(name) + string(filepath.Separator)}, packages...)
	if err := os.MkdirAll(t.bin(name), 0o755); err != nil {
		return fmt.Errorf("build %s: %w", name, err)
	}
	if _, err := output(ctx, t.source(), "go", args...); err != nil {
		return fmt.Errorf("build %s: %w", name, err)
	}
	return nil
}
