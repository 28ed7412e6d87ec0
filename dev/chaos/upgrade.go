package main

import (
	"context"
	"fmt"

	"orderflow/dev/chaos/internal/load"
	"orderflow/dev/chaos/internal/rig"
)

// upgradeStep is one step of docs/upgrades.md: a command of the new build, or a binary
// whose processes are replaced one after the other.
type upgradeStep struct {
	command []string
	binary  string
}

// upgradeSteps returns them in their order.
func upgradeSteps() []upgradeStep {
	return []upgradeStep{
		{command: []string{"replay", "--sample", "500"}},
		{command: []string{"migrate"}},
		{command: []string{"setup", "--without-passwords"}},
		{binary: rig.Worker},
		{binary: rig.API},
		{binary: rig.Starter},
		{binary: rig.Publisher},
		{binary: rig.Projector},
	}
}

// upgrade replaces the binaries of the release by the present ones, as docs/upgrades.md
// says, while orders are placed.
func (s *session) upgrade(ctx context.Context, workload *load.Load) error {
	s.report.ByRelease = workload.Placed()
	for _, step := range upgradeSteps() {
		if step.binary != "" {
			s.say("upgrading %s", step.binary)
			if err := s.rig.Upgrade(ctx, step.binary); err != nil {
				return fmt.Errorf("upgrade: %w", err)
			}
			continue
		}
		s.say("%s %s", rig.Orderflow, step.command[0])
		if err := s.operate(ctx, step.command); err != nil {
			return fmt.Errorf("upgrade: %w", err)
		}
	}
	s.say("upgraded")
	return nil
}
