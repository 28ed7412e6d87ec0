package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// suite runs every scenario without a bug, and every bug in its scenario.
type suite struct {
	tree *tree
	seed uint64
	out  io.Writer

	failed int
}

func (s *suite) run(ctx context.Context, planted []bug) error {
	began := time.Now()
	if err := s.tree.buildClean(ctx); err != nil {
		return err
	}
	s.say("built without a bug in %.1f s", time.Since(began).Seconds())
	scenarios := map[string]bool{}
	for _, b := range planted {
		if !scenarios[b.scenario] {
			scenarios[b.scenario] = true
			if err := s.clean(ctx, b.scenario); err != nil {
				return err
			}
		}
	}
	missed := 0
	for _, b := range planted {
		caught, err := s.plant(ctx, b)
		if err != nil {
			return err
		}
		if !caught {
			missed++
		}
	}
	s.say("%d of %d bugs caught, %d of %d scenarios clean without one, in %.0f s",
		len(planted)-missed, len(planted), len(scenarios)-s.failed, len(scenarios), time.Since(began).Seconds())
	if missed+s.failed > 0 {
		return errMissed
	}
	return nil
}

func (s *suite) say(format string, args ...any) {
	_, _ = fmt.Fprintf(s.out, format+"\n", args...) // a failed write to standard output cannot be reported
}

// clean runs a scenario without a bug: it must find nothing.
func (s *suite) clean(ctx context.Context, scenario string) error {
	began := time.Now()
	v, err := s.tree.chaos(ctx, scenario, clean, s.seed, drainClean)
	if err != nil {
		return err
	}
	took := time.Since(began).Seconds()
	if v.wrong {
		s.failed++
		s.say("%-42s NOT CLEAN  %5.1f s  %s", scenario, took, v.first)
		return nil
	}
	s.say("%-42s clean      %5.1f s", scenario, took)
	return nil
}

// plant builds the product with a bug and runs the scenario a few times.
func (s *suite) plant(ctx context.Context, b bug) (caught bool, err error) {
	building := time.Now()
	if err := s.tree.plant(ctx, b.patch); err != nil {
		return false, err
	}
	err = s.tree.buildBug(ctx, b.patch)
	if err := errors.Join(err, s.tree.remove(ctx, b.patch)); err != nil {
		return false, err
	}
	built := time.Since(building).Seconds()
	var v verdict
	for try := range tries {
		began := time.Now()
		v, err = s.tree.chaos(ctx, b.scenario, b.patch, s.seed+uint64(try), cmp.Or(b.drain, drainWithBug))
		if err != nil {
			return false, err
		}
		if n := v.violated[b.invariant]; v.wrong && n > 0 {
			s.say("%-42s caught     %5.1f s  by %s, %d times; built in %.1f s, try %d", b.patch,
				time.Since(began).Seconds(), b.invariant, n, built, try+1)
			return true, nil
		}
	}
	s.say("%-42s MISSED              by %s in %d tries; found instead: %v %s", b.patch, b.invariant, tries, v.violated, v.first)
	return false, nil
}
