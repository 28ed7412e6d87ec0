package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

const (
	bomSuffix = ".cdx.json"
	sumsFile  = "SHA256SUMS"
)

// checkSums returns an error unless SHA256SUMS lists every other file of the folder, with
// the right sum.
func checkSums(dir string) error {
	listed, err := os.ReadFile(filepath.Join(dir, sumsFile))
	if err != nil {
		return err
	}
	var want strings.Builder
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path == filepath.Join(dir, sumsFile) {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		fmt.Fprintf(&want, "%x  %s\n", sha256.Sum256(content), filepath.ToSlash(name))
		return err
	})
	if err != nil {
		return err
	}
	if sortedLines(want.String()) != sortedLines(string(listed)) {
		return fmt.Errorf("%s has\n%swant\n%s", sumsFile, listed, want.String())
	}
	return nil
}

func sortedLines(text string) string { return strings.Join(slices.Sorted(strings.Lines(text)), "") }

// checkStatic returns an error if a program needs a dynamic linker or a library.
func checkStatic(program string) error {
	file, err := elf.Open(program)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP {
			return errors.New("needs a dynamic linker")
		}
	}
	libraries, err := file.ImportedLibraries()
	if err == nil && len(libraries) > 0 {
		return fmt.Errorf("needs %s", strings.Join(libraries, ", "))
	}
	return err
}

// checkHidden returns an error that names the folders of which a program contains a path.
func checkHidden(program string, folders []string) error {
	content, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	var found []string
	for _, folder := range folders {
		// Every program has crypto/x509/root.go, which is no path in /root.
		if bytes.Contains(content, []byte(folder+"/")) {
			found = append(found, folder)
		}
	}
	if len(found) > 0 {
		return fmt.Errorf("contains paths of the machine that built it: %s", strings.Join(found, ", "))
	}
	return nil
}

// checkModules returns an error unless the SBOM lists exactly the modules that the program
// was linked from.
func checkModules(program, bom string) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err
	}
	return compareModules(info, bom)
}

func compareModules(info *buildinfo.BuildInfo, bom string) error {
	linked := map[string]bool{"std@" + info.GoVersion: true}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		linked[m.Path+"@"+m.Version] = true
	}
	text, err := os.ReadFile(bom)
	if err != nil {
		return err
	}
	var content struct {
		Components []struct{ Name, Version string }
	}
	if err := json.Unmarshal(text, &content); err != nil {
		return fmt.Errorf("%s: %w", bom, err)
	}
	listed := map[string]bool{}
	for _, c := range content.Components {
		listed[c.Name+"@"+c.Version] = true
	}
	if !maps.Equal(linked, listed) {
		return fmt.Errorf("the SBOM lists\n%v\nand the program has\n%v", slices.Sorted(maps.Keys(listed)), slices.Sorted(maps.Keys(linked)))
	}
	return nil
}

// checkVersion runs a program of this machine's platform, and returns an error unless it
// prints its name and version.
func (r release) checkVersion(ctx context.Context, program string) error {
	if filepath.Base(filepath.Dir(program)) != runtime.GOOS+"-"+runtime.GOARCH {
		return nil // it cannot run here
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, "--version").Output()
	if err != nil {
		return fmt.Errorf("--version: %w", err)
	}
	want := fmt.Sprintf("%s %s (%s)\n", filepath.Base(program), r.version, runtime.Version())
	if r.revision != "" {
		want = fmt.Sprintf("%s %s (commit %.12s, %s)\n", filepath.Base(program), r.version, r.revision, runtime.Version())
	}
	if string(out) != want {
		return fmt.Errorf("--version prints %q, want %q", out, want)
	}
	return nil
}
