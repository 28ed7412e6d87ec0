package main

import (
	"context"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"orderflow/dev/chaos/internal/load"
	"orderflow/dev/chaos/internal/rig"
)

// procedure is what docs/restore.md has an operator do about a store that was put
// back to an earlier moment, and those who had sent something to it since.
type procedure struct {
	absent   []string   // the binaries that are stopped while the store is replaced
	before   repeat     // sent again while they are stopped; others send nothing meanwhile
	first    [][]string // the commands while they are stopped
	during   repeat     // sent again while the other commands run
	commands [][]string
}

// repeat sends again what the store accepted since a moment. Nil means that nothing has to
// be.
type repeat func(ctx context.Context, w *load.Load, since time.Time) (sent int, err error)

// procedures returns them by store.
func procedures() map[string]procedure {
	return map[string]procedure{
		rig.Postgres: {
			commands: [][]string{{"reconcile", "--fix"}},
		},
		rig.Temporal: {
			absent:   []string{rig.Worker},
			during:   func(ctx context.Context, w *load.Load, since time.Time) (int, error) { return w.SendAgain(ctx, since) },
			commands: [][]string{{"reconcile", "--fix"}},
		},
		rig.KurrentDB: {
			absent: []string{rig.Worker, rig.Starter, rig.Publisher, rig.Projector, rig.API},
			before: func(ctx context.Context, w *load.Load, since time.Time) (int, error) {
				return w.AppendAgain(ctx, since)
			},
			first:    [][]string{{"publisher", "snapshot"}, {"view", "rebuild"}},
			commands: [][]string{{"reconcile", "--fix", "--credit"}},
		},
	}
}

// restored is the report about a store that was put back.
type restored struct {
	Store    string   `json:"store"`
	Lost     float64  `json:"lostSeconds"`
	Again    int      `json:"sentAgain"` // by those who had sent it before
	Commands []string `json:"commands"`

	span rig.Interval
}

// drills reports whether a scenario is a drill: orders are placed until it is over.
func (s scenario) drills() bool { return s.putBack != "" || s.upgrades }

// drill carries out the scenario's drill after a third of the window, and ends a third
// after it.
func (s *session) drill(ctx context.Context, workload *load.Load) (err error) {
	third := s.options.scenario.window(s.options.minutes) / 3
	rest(ctx, third)
	if s.options.scenario.upgrades {
		err = s.upgrade(ctx, workload)
	} else {
		err = s.putBack(ctx, workload, third)
	}
	if err == nil {
		rest(ctx, third)
	}
	return err
}

// putBack backs up the scenario's store, puts it back after a while, and then does what
// an operator has to, while orders are placed.
func (s *session) putBack(ctx context.Context, workload *load.Load, age time.Duration) error {
	store := s.options.scenario.putBack
	p := procedures()[store]
	backup, err := s.rig.Backup(ctx, store)
	if err != nil {
		return err
	}
	s.say("%s is backed up", store)
	rest(ctx, age)
	s.report.Restored = &restored{Store: store}
	if err := s.replace(ctx, workload, backup, p); err != nil {
		return err
	}
	return s.recover(ctx, workload, p)
}

// replace puts the store back.
func (s *session) replace(ctx context.Context, workload *load.Load, backup rig.Backup, p procedure) error {
	if p.before != nil {
		defer workload.HoldProducers()()
	}
	_, err := s.rig.PutBack(ctx, backup, p.absent, func(lost rig.Interval) (err error) {
		s.report.Restored.span, s.report.Restored.Lost = lost, lost.To.Sub(lost.From).Seconds()
		s.say("%s is back, and has lost %.1f s", backup.Store, s.report.Restored.Lost)
		if p.before != nil {
			if s.report.Restored.Again, err = p.before(ctx, workload, lost.From); err != nil {
				return err
			}
		}
		return s.commands(ctx, p.first)
	})
	return err
}

// recover carries out a procedure. Senders send again while the commands run: what they
// send may need a workflow that a command starts, and the other way around.
func (s *session) recover(ctx context.Context, workload *load.Load, p procedure) error {
	ctx, cancel := context.WithTimeout(ctx, judgeTimeout)
	defer cancel()
	var group errgroup.Group
	if p.during != nil {
		group.Go(func() (err error) {
			s.report.Restored.Again, err = p.during(ctx, workload, s.report.Restored.span.From)
			return err
		})
	}
	if err := s.commands(ctx, p.commands); err != nil {
		return err
	}
	return group.Wait()
}

// commands runs the operators' commands, one after the other.
func (s *session) commands(ctx context.Context, all [][]string) error {
	for _, command := range all {
		if err := s.command(ctx, command); err != nil {
			return err
		}
	}
	return nil
}

// command runs one of the operators' commands.
func (s *session) command(ctx context.Context, command []string) error {
	text := strings.Join(append([]string{rig.Orderflow}, command...), " ")
	s.say("%s", text)
	s.report.Restored.Commands = append(s.report.Restored.Commands, text)
	if command[0] != "reconcile" {
		return s.operate(ctx, command)
	}
	found, err := s.compare(ctx, slices.Clone(command[1:])...)
	s.report.Mended = append(s.report.Mended, found.reconciled)
	return err
}

// operate runs a command, and repeats it while a store does not respond, which under load
// may take long: exit code 1. Every command may be repeated.
func (s *session) operate(ctx context.Context, command []string) (err error) {
	for range comparisons {
		err = s.rig.Run(ctx, rig.Orderflow, command...)
		exit, ended := errors.AsType[*exec.ExitError](err)
		if !ended || exit.ExitCode() != 1 || ctx.Err() != nil {
			return err
		}
		s.say("%v", err)
	}
	return err
}

// rest waits for a while, or until ctx is done.
func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
