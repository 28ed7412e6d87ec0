package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

// write creates a file in a new folder, or in dir if it is not empty, and returns its path.
func write(t *testing.T, dir, name, content string) string {
	t.Helper()
	if dir == "" {
		dir = t.TempDir()
	}
	path := filepath.Join(dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o755))
	return path
}

func TestCheckSums(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "linux-amd64/worker", "program")
	sum := fmt.Sprintf("%x  linux-amd64/worker\n", sha256.Sum256([]byte("program")))
	write(t, dir, sumsFile, sum)
	require.NoError(t, checkSums(dir))

	write(t, dir, "linux-amd64/api", "not listed")
	require.ErrorContains(t, checkSums(dir), "linux-amd64/api")
	require.NoError(t, os.Remove(filepath.Join(dir, "linux-amd64/api")))
	write(t, dir, "linux-amd64/worker", "another program")
	require.Error(t, checkSums(dir))
	require.NoError(t, os.Remove(filepath.Join(dir, "linux-amd64/worker")))
	require.Error(t, checkSums(dir), "a listed file is missing")
}

func TestCheckStatic(t *testing.T) {
	t.Parallel()
	shell, err := exec.LookPath("bash")
	require.NoError(t, err)
	require.EqualError(t, checkStatic(shell), "needs a dynamic linker")
	require.Error(t, checkStatic(write(t, "", "script", "#!/bin/sh\n")))
}

func TestCheckHidden(t *testing.T) {
	t.Parallel()
	program := write(t, "", "worker", "\x00/home/builder/src\x00crypto/x509/root.go\x00")
	require.NoError(t, checkHidden(program, []string{"/root", "/usr/local/go"}))
	require.ErrorContains(t, checkHidden(program, []string{"/root", "/home/builder"}), "/home/builder")
}

func TestCompareModules(t *testing.T) {
	t.Parallel()
	info := &buildinfo.BuildInfo{GoVersion: "go1.26.8", Deps: []*debug.Module{
		{Path: "example.com/a", Version: "v1.0.0"},
		{Path: "example.com/b", Version: "v1.0.0", Replace: &debug.Module{Path: "example.com/fork", Version: "v2.0.0"}},
	}}
	type component struct{ Name, Version string }
	components := []component{{"std", "go1.26.8"}, {"example.com/a", "v1.0.0"}, {"example.com/fork", "v2.0.0"}}
	bom := func(listed []component) string {
		text, err := json.Marshal(map[string]any{"components": listed})
		require.NoError(t, err)
		return write(t, "", "worker"+bomSuffix, string(text))
	}
	require.NoError(t, compareModules(info, bom(components)))
	require.Error(t, compareModules(info, bom(components[1:])))
	require.Error(t, compareModules(info, bom(append(components, component{"example.com/other", "v1.0.0"}))))
}

func TestCheckVersion(t *testing.T) {
	t.Parallel()
	r := release{version: "v0.1.0", revision: "5678c2dcba2e7faae3dc2e4d0750bef6b627bae5"}
	folder := runtime.GOOS + "-" + runtime.GOARCH
	says := func(text string) string { return write(t, "", folder+"/worker", "#!/bin/sh\necho '"+text+"'\n") }
	require.NoError(t, r.checkVersion(t.Context(), says("worker v0.1.0 (commit 5678c2dcba2e, "+runtime.Version()+")")))
	require.ErrorContains(t, r.checkVersion(t.Context(), says("worker (devel) ("+runtime.Version()+")")), `want "worker v0.1.0 (commit`)
	require.Error(t, r.checkVersion(t.Context(), write(t, "", folder+"/worker", "#!/bin/sh\nexit 1\n")))
	require.NoError(t, r.checkVersion(t.Context(), write(t, "", "plan9-mips/worker", "it cannot run here")))
}
