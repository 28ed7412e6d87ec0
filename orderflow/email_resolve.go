package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"orderflow/internal/config"
	"orderflow/internal/email"
	"orderflow/internal/postgres"
	"orderflow/workflows"
)

// resolveOptions are the flags of `email resolve`.
type resolveOptions struct {
	decisions map[email.Resolution]*bool
	messageID *string
	dryRun    *bool
	bulk      bulkOptions
	output    *output
}

func (c *cli) resolveEmail() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "resolve {ORDER KIND | --status STATUS --from TIME --to TIME} {--sent | --failed | --resend}",
		Short: "record the outcome of stuck emails, or send them again",
		Args:  c.takes(argument{name: "[ORDER]"}, argument{name: "[KIND]"}),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return emailKinds(), cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
	}
	flags := cmd.Flags()
	options := resolveOptions{
		decisions: map[email.Resolution]*bool{
			email.ResolutionSent:   flags.Bool("sent", false, "record it as sent: the customer received it"),
			email.ResolutionFailed: flags.Bool("failed", false, "record it as failed: it is not sent again"),
			email.ResolutionResend: flags.Bool("resend", false, "send it again, even after it failed; requires TEMPORAL_ADDRESS"),
		},
		messageID: flags.String("message-id", "", "the message id from SES, with --sent and one email"),
		dryRun:    flags.Bool("dry-run", false, "print what would be done, and change nothing"),
		bulk:      bulkFlags(cmd),
		output:    outputFlag(cmd),
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r, invalid := options.resolution(cmd, args)
		return c.resolve(cmd.Context(), r, invalid)
	}
	return cmd
}

// resolve settles one email, or all that a filter selects, or has them sent again.
func (c *cli) resolve(ctx context.Context, r resolution, invalid error) error {
	pool, err := c.openDatabase(ctx, invalid)
	if err != nil {
		return err
	}
	defer pool.Close()
	resolver := resolver{ledger: postgres.NewEmailLedger(pool, postgres.EmailRules{}), dryRun: r.dryRun}
	if r.decision == email.ResolutionResend && !r.dryRun {
		if resolver.temporal, err = c.dialTemporal(ctx, "orderflow-email"); err != nil {
			return err
		}
		defer resolver.temporal.Close()
	}
	if r.filter != nil {
		return resolver.resolveBulk(ctx, c.stdout, r)
	}
	row, err := resolver.resolve(ctx, email.Decision{OrderID: r.orderID, Kind: r.kind, Resolution: r.decision, MessageID: r.messageID})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.stdout, "%s %s is %s after %d attempts, %d of them unknown\n", r.orderID, r.kind, row.Status, row.Attempt, row.UnknownAttempts)
	return err
}

// resolver carries out an operator's decisions about emails. Sending again takes two
// writes, to the ledger and to Temporal, so it first checks that Temporal is available.
// If Temporal fails in between, repeating the same decision completes it, for an email
// that is already pending stays so.
type resolver struct {
	ledger   *postgres.EmailLedger
	temporal client.Client // nil unless emails are sent again
	dryRun   bool
}

// resolve carries out one decision and returns the resulting row; in a dry run it returns
// the current row.
func (r resolver) resolve(ctx context.Context, d email.Decision) (email.Delivery, error) {
	resolve := r.ledger.ResolveEmail
	if r.dryRun {
		resolve = r.ledger.PreviewResolution
	}
	row, err := resolve(ctx, d)
	var refused *email.RefusedError
	switch {
	case errors.Is(err, postgres.ErrNotFound):
		return row, fmt.Errorf("resolve email: %s has no %s email", d.OrderID, d.Kind)
	case errors.As(err, &refused):
		return row, fmt.Errorf("resolve email: the %s email of %s cannot be resolved as %s: %w", d.Kind, d.OrderID, d.Resolution, refused)
	case err != nil:
		return row, err
	}
	if r.temporal == nil {
		return row, nil
	}
	if err := resend(ctx, r.temporal, d); err != nil {
		return row, fmt.Errorf("the %s email of %s is pending but nothing sends it yet, run email resolve %s %s --resend: %w",
			d.Kind, d.OrderID, d.OrderID, d.Kind, err)
	}
	return row, nil
}

// resolution is the request on the command line: for one email, or for all that a filter
// selects.
type resolution struct {
	orderID   string
	kind      email.Kind
	filter    *email.Filter // nil for one email
	decision  email.Resolution
	messageID string
	dryRun    bool
	output    output
}

// resolution reads the request. Its error has the faults of the options together.
func (o resolveOptions) resolution(cmd *cobra.Command, args []string) (resolution, error) {
	r := resolution{messageID: *o.messageID, dryRun: *o.dryRun, output: *o.output}
	var one, id error
	decided := 0
	for decision, chosen := range o.decisions {
		if *chosen {
			decided++
			r.decision = decision
		}
	}
	if decided != 1 {
		one = config.Invalid("arguments", "exactly one of --sent, --failed and --resend is needed")
	}
	many := o.bulk.used(cmd)
	if r.messageID != "" && (r.decision != email.ResolutionSent || len(r.messageID) > email.MaxMessageID || many) {
		id = config.Invalid("--message-id", "goes with --sent and one email, and has at most %d bytes", email.MaxMessageID)
	}
	switch {
	case many && len(args) > 0:
		return r, config.Merge(config.Invalid("arguments", "either ORDER and KIND, or --status, --from and --to"), one, id)
	case many:
		r.filter = o.bulk.filter()
		return r, config.Merge(o.bulk.check(r.decision), one, id)
	default:
		return r, config.Merge(r.selectOne(args), one, id)
	}
}

// selectOne reads the one email from the arguments.
func (r *resolution) selectOne(args []string) error {
	if len(args) == 0 {
		return config.Invalid("ORDER", "is required, or --status, --from and --to for many at once")
	}
	faults := checkArguments("", []argument{{"ORDER", checkOrderID}, {"KIND", checkKind}}, args[:min(len(args), 2)])
	if len(args) > 1 {
		r.orderID, r.kind = args[0], email.Kind(args[1])
	}
	return config.Merge(faults...)
}

// resend makes OrderEmail send the email, in a running workflow or a new one. The order's
// own workflow may be following the same email. That is harmless, for the ledger grants
// it to one attempt at a time.
func resend(ctx context.Context, temporal client.Client, d email.Decision) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := temporal.SignalWithStartWorkflow(ctx, workflows.EmailID(d.OrderID, d.Kind), workflows.SendAgainSignal, nil,
		client.StartWorkflowOptions{
			TaskQueue:                workflows.TaskQueue,
			WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
			WorkflowIDReusePolicy:    enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
			StaticSummary:            fmt.Sprintf("%s email of %s, sent again", d.Kind, d.OrderID),
		}, workflows.OrderEmailType, workflows.EmailInput{OrderID: d.OrderID, Kind: d.Kind})
	if err != nil {
		return fmt.Errorf("start %s: %w", workflows.OrderEmailType, err)
	}
	return nil
}
