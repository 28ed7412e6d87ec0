package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"orderflow/internal/config"
	"orderflow/internal/email"
	"orderflow/internal/ops"
	"orderflow/internal/postgres"
	"orderflow/internal/subcommand"
	"orderflow/internal/temporalclient"
	"orderflow/workflows"
)

// resolution is one mail and what an operator decided about it.
type resolution struct {
	orderID   string
	kind      email.Kind
	as        email.Resolution
	messageID string
}

// resolveEmail settles a mail whose outcome is unknown, or has it sent again. Sending again takes two writes, to the
// ledger and to Temporal. Temporal is asked first whether it is there; should it go away in between, the same command
// again does what is left, for a mail that is pending already stays so.
func resolveEmail(ctx context.Context, c subcommand.Call) error {
	r, arguments := parseResolution(c)
	store, err := openStore(ctx, c, arguments)
	if err != nil {
		return err
	}
	defer store.Close()
	var temporal client.Client
	if r.as == email.ResolutionResend {
		if temporal, err = dialTemporal(ctx, c); err != nil {
			return err
		}
		defer temporal.Close()
	}
	row, err := store.ResolveEmail(ctx, r.orderID, r.kind, r.as, r.messageID)
	var refused *email.RefusedError
	switch {
	case errors.Is(err, postgres.ErrNotFound):
		return fmt.Errorf("resolve mail: %s has no %s mail", r.orderID, r.kind)
	case errors.As(err, &refused):
		return fmt.Errorf("resolve mail: the %s mail of %s cannot be resolved as %s: %w", r.kind, r.orderID, r.as, refused)
	case err != nil:
		return err
	}
	if temporal != nil {
		if err := sendAgain(ctx, temporal, r); err != nil {
			return fmt.Errorf("the mail is pending but nobody sends it yet, run this again: %w", err)
		}
	}
	_, err = fmt.Fprintf(c.Stdout, "%s %s is %s after %d attempts, %d of them unknown\n", r.orderID, r.kind, row.Status, row.Attempt, row.UnknownAttempts)
	return err
}

func parseResolution(c subcommand.Call) (resolution, error) {
	flags := flag.NewFlagSet(c.Name, flag.ContinueOnError)
	decisions := map[email.Resolution]*bool{
		email.ResolutionSent:   flags.Bool("sent", false, "the customer has it: it is recorded as sent"),
		email.ResolutionFailed: flags.Bool("failed", false, "it is given up"),
		email.ResolutionResend: flags.Bool("resend", false, "it is sent again, also after it failed; needs TEMPORAL_ADDRESS"),
	}
	messageID := flags.String("message-id", "", "the id SES gave it, with --sent")
	args, err := c.Parse(flags, "ORDER", "KIND")
	if err != nil {
		return resolution{}, err
	}
	r := resolution{orderID: args[0], kind: email.Kind(args[1]), messageID: *messageID}
	var one, id error
	decided := 0
	for decision, chosen := range decisions {
		if *chosen {
			decided++
			r.as = decision
		}
	}
	if decided != 1 {
		one = config.Invalid("arguments", "exactly one of --sent, --failed and --resend is needed")
	}
	if r.messageID != "" && (r.as != email.ResolutionSent || len(r.messageID) > 256) {
		id = config.Invalid("--message-id", "goes with --sent, and has at most 256 bytes")
	}
	return r, config.Merge(checkOrderID(r.orderID), checkKind(r.kind), one, id)
}

// dialTemporal connects within the operator's patience.
func dialTemporal(ctx context.Context, c subcommand.Call) (client.Client, error) {
	metrics, err := ops.NewMetrics("worker")
	if err != nil {
		return nil, err
	}
	s, err := config.Load[config.Log](c.Environ)
	if err != nil {
		return nil, err
	}
	s.Level = max(s.Level, slog.LevelWarn) // the client tells at length what it does
	options, err := temporalclient.Options("worker-email", s.Logger(c.Stderr), metrics)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, operatorTimeout)
	defer cancel()
	return temporalclient.Dial(ctx, options, s.Logger(c.Stderr))
}

// sendAgain has the mail asked for by OrderEmail: by the run there is, or by a new one. The order's own workflow may be
// following the same mail. That is harmless, for the ledger gives it to one attempt at a time.
func sendAgain(ctx context.Context, temporal client.Client, r resolution) error {
	ctx, cancel := context.WithTimeout(ctx, operatorTimeout)
	defer cancel()
	_, err := temporal.SignalWithStartWorkflow(ctx, workflows.EmailID(r.orderID, r.kind), workflows.SendAgainSignal, nil,
		client.StartWorkflowOptions{
			TaskQueue:                workflows.TaskQueue,
			WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
			WorkflowIDReusePolicy:    enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
			StaticSummary:            fmt.Sprintf("%s mail of %s, sent again", r.kind, r.orderID),
		}, workflows.OrderEmailType, workflows.EmailInput{OrderID: r.orderID, Kind: r.kind})
	if err != nil {
		return fmt.Errorf("start %s: %w", workflows.OrderEmailType, err)
	}
	return nil
}
