package page

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"orderflow/dev/bench/internal/report"
)

// The files of the page in the folder of the documentation.
const (
	pageFile   = "performance.md"
	resultFile = "performance.json"
)

// Update writes the page and its charts from the result next to it. If another result is
// named, that one becomes the page's first.
func Update(docs, result string) error {
	if result != "" {
		r, err := report.Read(result)
		if err != nil {
			return err
		}
		if r.Commit == "" {
			return errors.New("the result names no commit: measure with make bench")
		}
		if err := r.Write(filepath.Join(docs, resultFile)); err != nil {
			return err
		}
	}
	generated, err := generate(docs)
	if err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(docs, chartFolder, chartPrefix+"*.svg"))
	if err != nil {
		return err
	}
	for _, path := range old {
		if _, kept := generated[path]; !kept {
			if err := os.Remove(path); err != nil {
				return fmt.Errorf("old chart: %w", err)
			}
		}
	}
	for path, content := range generated {
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return fmt.Errorf("page: %w", err)
		}
	}
	return nil
}

// Check returns an error for each file of the page that does not agree with its result.
func Check(docs string) error {
	generated, err := generate(docs)
	if err != nil {
		return err
	}
	var faults []error
	for path, want := range generated {
		found, err := os.ReadFile(path)
		switch {
		case err != nil:
			faults = append(faults, err)
		case !bytes.Equal(found, want):
			faults = append(faults, fmt.Errorf("%s does not agree with %s", path, resultFile))
		}
	}
	return errors.Join(faults...)
}

// generate returns the content of the page and of its charts by path.
func generate(docs string) (map[string][]byte, error) {
	r, err := report.Read(filepath.Join(docs, resultFile))
	if err != nil {
		return nil, err
	}
	path := filepath.Join(docs, pageFile)
	current, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	files := map[string][]byte{}
	if files[path], err = Fill(current, r); err != nil {
		return nil, err
	}
	charts, err := Charts(r)
	for name, content := range charts {
		files[filepath.Join(docs, chartFolder, name)] = content
	}
	return files, err
}
