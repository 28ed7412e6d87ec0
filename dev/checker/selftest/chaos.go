package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// runTimeout bounds one run without its drain.
const runTimeout = 5 * time.Minute

// exitViolations is the exit code of chaos when it found violations.
const exitViolations = 3

// verdict is the result of a run.
type verdict struct {
	wrong    bool
	violated map[string]int64 // by invariant: the checker's, and the workload's
	first    string           // the first violation, for the report
}

// report is the checked part of the report of chaos.
type report struct {
	Checker struct {
		Violated map[string]int64 `json:"violated"`
	} `json:"checker"`
	Violations []struct {
		Invariant string `json:"invariant"`
		Detail    string `json:"detail"`
	} `json:"violations"`
}

// chaos runs a scenario with the binaries of a folder.
func (t *tree) chaos(ctx context.Context, scenario, bin string, seed uint64, drain time.Duration) (verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, runTimeout+drain)
	defer cancel()
	state := filepath.Join(t.dir, "state", fmt.Sprintf("%s-%s-%d", bin, scenario, seed))
	command := exec.CommandContext(ctx, filepath.Join(t.bin(clean), "chaos"),
		"--scenario", scenario, "--bin", t.bin(bin), "--seed", strconv.FormatUint(seed, 10), "--drain", drain.String(), "--state", state)
	command.Dir = t.origin // where the Temporal CLI is found or built
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = time.Minute
	if err := os.MkdirAll(state, 0o755); err != nil {
		return verdict{}, err
	}
	log, err := os.Create(filepath.Join(state, "chaos.log"))
	if err != nil {
		return verdict{}, err
	}
	defer log.Close()
	command.Stderr = log
	printed, err := command.Output()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != exitViolations) {
		return verdict{}, fmt.Errorf("run %s: %w: %s", scenario, err, lastLines(log.Name()))
	}
	if err := os.WriteFile(filepath.Join(state, "report.json"), printed, 0o600); err != nil {
		return verdict{}, err
	}
	var r report
	if err := json.Unmarshal(printed, &r); err != nil {
		return verdict{}, fmt.Errorf("read the report of %s: %w", scenario, err)
	}
	return r.verdict(exit != nil), nil
}

// verdict sums up the report. The checker's own count is complete, whereas not every
// violation it found is listed.
func (r report) verdict(wrong bool) verdict {
	v := verdict{wrong: wrong, violated: map[string]int64{}}
	for _, found := range r.Violations {
		v.violated[found.Invariant]++
	}
	maps.Copy(v.violated, r.Checker.Violated)
	if len(r.Violations) > 0 {
		v.first, _, _ = strings.Cut(r.Violations[0].Invariant+": "+r.Violations[0].Detail, "\n")
	}
	return v
}

// lastLines returns the end of a log, for a run that failed.
func lastLines(file string) string {
	body, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return string(body[max(0, len(body)-1000):])
}
