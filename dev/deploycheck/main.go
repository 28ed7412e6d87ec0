package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"sigs.k8s.io/kustomize/kyaml/filesys"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run checks every folder of manifests in a repository, and writes what it rendered into
// another folder, one file each.
func run(args []string, stdout io.Writer) error {
	if len(args) != 2 {
		return errors.New("usage: deploycheck REPOSITORY OUTPUT")
	}
	repository, output := args[0], args[1]
	facts, err := readFacts(repository)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(output, 0o755); err != nil {
		return err
	}
	for _, folder := range folders() {
		rendered, err := render(filesys.MakeFsOnDisk(), filepath.Join(repository, manifestsDir, folder))
		if err != nil {
			return fmt.Errorf("%s: %w", folder, err)
		}
		count, err := check(rendered, facts)
		if err != nil {
			return fmt.Errorf("%s:\n%w", folder, err)
		}
		file := filepath.Join(output, filepath.Base(folder)+".yaml")
		if err := os.WriteFile(file, rendered, 0o600); err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%s: %d objects, checked\n", file, count)
	}
	return checkSources(filesys.MakeFsOnDisk(), filepath.Join(repository, manifestsDir))
}
