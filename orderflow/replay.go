package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"orderflow/internal/config"
	"orderflow/internal/replay"
	"orderflow/workflows"
)

const (
	defaultSample        = 100
	defaultReplayTimeout = 10 * time.Minute
	maxReplayTimeout     = 6 * time.Hour
)

// defaultReplayQuery selects what the workers of a build would continue. It names the task
// queue and not the types of this build, or it would leave out those that the build lacks.
const defaultReplayQuery = `ExecutionStatus = "Running" AND TaskQueue = "` + workflows.TaskQueue + `"`

// replayOptions are the flags of replay.
type replayOptions struct {
	query   *string
	sample  int
	timeout *time.Duration
	pinned  *bool
	output  *output
}

func (c *cli) replay() *cobra.Command {
	cmd := &cobra.Command{
		Use: "replay", Short: "replay open workflows on this build, before its workers get them",
		Long: "Replay the histories of open workflows on the workflow code of this build. It reads them from Temporal and changes\n" +
			"nothing. Run the binary of the build that is to be deployed. The exit code is 3 if the build cannot continue some of\n" +
			"them, and 1 if not all could be read.",
		Args: c.takes(),
	}
	flags := cmd.Flags()
	o := replayOptions{
		query:   flags.String("query", defaultReplayQuery, "replay the workflows that this visibility `query` selects"),
		sample:  defaultSample,
		timeout: flags.Duration("timeout", defaultReplayTimeout, "give up after this `time`"),
		pinned:  flags.Bool("pinned", false, "also replay workflows that are pinned to the version they run on"),
		output:  outputFlag(cmd),
	}
	flags.Var(value{"number", func(text string) error {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxLimit {
			return fmt.Errorf("must be from 1 to %d", maxLimit)
		}
		o.sample = n
		return nil
	}}, "sample", fmt.Sprintf("replay at most this many of each workflow type, chosen at random, 1 to %d; default %d", maxLimit, defaultSample))
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return c.replayOpen(cmd.Context(), o) }
	return cmd
}

func (o replayOptions) check() error {
	if *o.timeout < time.Second || *o.timeout > maxReplayTimeout {
		return config.Invalid("--timeout", "must be from 1s to 6h")
	}
	return nil
}

// replayOpen replays a sample and prints the report, of an interrupted replay too. It
// returns an *attentionError if all could be read and some do not replay.
func (c *cli) replayOpen(ctx context.Context, o replayOptions) error {
	temporal, options, err := c.dialTemporalWith(ctx, "orderflow-replay", o.check())
	if err != nil {
		return err
	}
	defer temporal.Close()
	ctx, cancel := context.WithTimeoutCause(ctx, *o.timeout, fmt.Errorf("not finished within %s", *o.timeout))
	defer cancel()
	report, err := replay.Run(ctx, replay.Options{
		Temporal: temporal, TemporalOptions: options, Register: workflows.Register,
		Query: *o.query, Sample: o.sample, Pinned: *o.pinned,
	})
	if report != nil && len(report.Types) > 0 || err == nil {
		err = errors.Join(err, o.output.print(c.stdout, report, report.Print))
	}
	switch {
	case errors.Is(err, replay.ErrQuery):
		return config.Invalid("--query", "%s", err)
	case err != nil:
		return fmt.Errorf("replay: %w", err)
	case report.Left > 0:
		return needsAttention("replay: this build cannot continue %d workflows", report.Left)
	}
	return nil
}
