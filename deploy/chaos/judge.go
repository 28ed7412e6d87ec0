package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"orderflow/deploy/chaos/internal/load"
)

// judgeTimeout bounds reading every store from end to end.
const judgeTimeout = 5 * time.Minute

// verdict is what the checker prints.
type verdict struct {
	Violations []load.Violation `json:"violations"`
}

// judge has the checker look at the stores, now that everything is at rest.
func (s *session) judge(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, judgeTimeout)
	defer cancel()
	s.report.Violations = append(s.report.Violations, s.panicked()...)
	answer, err := s.rig.Output(ctx, "checker")
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != exitViolations) {
		return fmt.Errorf("check: %w", err)
	}
	var found verdict
	if err := json.Unmarshal(answer, &found); err != nil {
		return fmt.Errorf("read the checker's answer: %w", err)
	}
	s.report.Checker = answer
	s.report.Violations = append(s.report.Violations, found.Violations...)
	s.say("checked: %d violations", len(s.report.Violations))
	return nil
}

// panicked finds binaries that died by a fault of their own: their last words are in their logs.
func (s *session) panicked() []load.Violation {
	var found []load.Violation
	for _, name := range s.rig.Binaries() {
		body, err := os.ReadFile(s.rig.Log(name))
		if err != nil {
			continue
		}
		for _, word := range []string{"\npanic: ", "\nfatal error: ", "WARNING: DATA RACE"} {
			if bytes.Contains(body, []byte(word)) {
				found = append(found, load.Violation{Invariant: "never-panics", Detail: name + " said " + strings.TrimSpace(word)})
			}
		}
	}
	return found
}
