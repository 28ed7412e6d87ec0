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

// resolver carries out what an operator decided about emails. Sending again takes two writes, to the ledger and to
// Temporal. Temporal is asked first whether it is there; should it go away in between, the same decision about that email
// does what is left, for an email that is pending already stays so.
type resolver struct {
	store    *postgres.Store
	temporal client.Client // nil unless emails are sent again
	dryRun   bool
}

// resolveEmail settles one email, or all that a filter picks, or has them sent again.
func resolveEmail(ctx context.Context, c subcommand.Call) error {
	r, arguments := parseResolution(c)
	store, err := openStore(ctx, c, arguments)
	if err != nil {
		return err
	}
	defer store.Close()
	resolver := resolver{store: store, dryRun: r.dryRun}
	if r.as == email.ResolutionResend && !r.dryRun {
		if resolver.temporal, err = dialTemporal(ctx, c); err != nil {
			return err
		}
		defer resolver.temporal.Close()
	}
	if r.filter != nil {
		return resolver.resolveMany(ctx, c, r)
	}
	row, err := resolver.resolve(ctx, email.Decision{OrderID: r.orderID, Kind: r.kind, Resolution: r.as, MessageID: r.messageID})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.Stdout, "%s %s is %s after %d attempts, %d of them unknown\n", r.orderID, r.kind, row.Status, row.Attempt, row.UnknownAttempts)
	return err
}

// resolve carries out one decision and returns the row as it is then; in a dry run as it is now.
func (r resolver) resolve(ctx context.Context, d email.Decision) (email.Delivery, error) {
	resolve := r.store.ResolveEmail
	if r.dryRun {
		resolve = r.store.PreviewResolution
	}
	row, err := resolve(ctx, d)
	var refused *email.RefusedError
	switch {
	case errors.Is(err, postgres.ErrNotFound):
		return row, fmt.Errorf("resolve mail: %s has no %s mail", d.OrderID, d.Kind)
	case errors.As(err, &refused):
		return row, fmt.Errorf("resolve mail: the %s mail of %s cannot be resolved as %s: %w", d.Kind, d.OrderID, d.Resolution, refused)
	case err != nil:
		return row, err
	}
	if r.temporal == nil {
		return row, nil
	}
	if err := sendAgain(ctx, r.temporal, d); err != nil {
		return row, fmt.Errorf("the %s mail of %s is pending but nothing sends it yet, run email resolve %s %s --resend: %w",
			d.Kind, d.OrderID, d.OrderID, d.Kind, err)
	}
	return row, nil
}

// resolution is what the command line asks for: one email, or all that a filter picks.
type resolution struct {
	orderID   string
	kind      email.Kind
	filter    *email.Filter // nil: the one email
	as        email.Resolution
	messageID string
	dryRun    bool
	output    *subcommand.Output
}

func parseResolution(c subcommand.Call) (resolution, error) {
	flags := flag.NewFlagSet(c.Name, flag.ContinueOnError)
	decisions := map[email.Resolution]*bool{
		email.ResolutionSent:   flags.Bool("sent", false, "the customer has it: it is recorded as sent"),
		email.ResolutionFailed: flags.Bool("failed", false, "it is given up"),
		email.ResolutionResend: flags.Bool("resend", false, "it is sent again, also after it failed; needs TEMPORAL_ADDRESS"),
	}
	messageID := flags.String("message-id", "", "the id SES gave it, with --sent and one email")
	dryRun := flags.Bool("dry-run", false, "say what would be done, and change nothing")
	many := manyFlags(flags)
	output := subcommand.OutputFlag(flags)
	args, err := c.Parse(flags, "[ORDER]", "[KIND]")
	if err != nil {
		return resolution{}, err
	}
	r := resolution{messageID: *messageID, dryRun: *dryRun, output: output}
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
	if r.messageID != "" && (r.as != email.ResolutionSent || len(r.messageID) > 256 || many.used(flags)) {
		id = config.Invalid("--message-id", "goes with --sent and one email, and has at most 256 bytes")
	}
	return r, config.Merge(r.choose(args, flags, many), one, id)
}

// choose takes the emails from the arguments: an order and a kind, or a filter.
func (r *resolution) choose(args []string, flags *flag.FlagSet, many manyOptions) error {
	switch {
	case many.used(flags) && len(args) > 0:
		return config.Invalid("arguments", "either ORDER and KIND, or --status, --from and --to")
	case many.used(flags):
		r.filter = many.filter()
		return many.check(r.as)
	case len(args) == 0:
		return config.Invalid("ORDER", "is required, or --status, --from and --to for many at once")
	case len(args) == 1:
		return config.Merge(checkOrderID(args[0]), config.Invalid("KIND", "is required"))
	}
	r.orderID, r.kind = args[0], email.Kind(args[1])
	return config.Merge(checkOrderID(r.orderID), checkKind("KIND", r.kind))
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
func sendAgain(ctx context.Context, temporal client.Client, d email.Decision) error {
	ctx, cancel := context.WithTimeout(ctx, operatorTimeout)
	defer cancel()
	_, err := temporal.SignalWithStartWorkflow(ctx, workflows.EmailID(d.OrderID, d.Kind), workflows.SendAgainSignal, nil,
		client.StartWorkflowOptions{
			TaskQueue:                workflows.TaskQueue,
			WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
			WorkflowIDReusePolicy:    enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
			StaticSummary:            fmt.Sprintf("%s mail of %s, sent again", d.Kind, d.OrderID),
		}, workflows.OrderEmailType, workflows.EmailInput{OrderID: d.OrderID, Kind: d.Kind})
	if err != nil {
		return fmt.Errorf("start %s: %w", workflows.OrderEmailType, err)
	}
	return nil
}
