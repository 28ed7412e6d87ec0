package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver/devservertest"
	"orderflow/dev/sessim"
	"orderflow/internal/config"
	"orderflow/internal/email"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
	"orderflow/workflows"
)

// command runs orderflow as an operator does, and returns its exit code and output.
func command(ctx context.Context, line string) (code int, stdout, stderr string) {
	var out, said bytes.Buffer
	c := cli{args: strings.Fields(line), environ: shared.environ, stdout: &out, stderr: &said}
	err := c.run(ctx)
	return config.Report(&said, err), out.String(), said.String()
}

func (p testOrder) command(line string) string {
	p.t.Helper()
	code, out, said := command(p.t.Context(), strings.ReplaceAll(line, "ORDER", p.id))
	require.Zero(p.t, code, said)
	require.Empty(p.t, said)
	return out
}

// refused runs a command that must be refused, and returns its error output.
func (p testOrder) refused(line string) string {
	p.t.Helper()
	code, out, said := command(p.t.Context(), strings.ReplaceAll(line, "ORDER", p.id))
	require.Equal(p.t, config.ExitFailure, code)
	require.Empty(p.t, out)
	return strings.TrimSpace(said)
}

func TestListEmails_NoRecipients(t *testing.T) {
	t.Parallel()
	p := place(t, sessim.FaultError)
	p.await(order.StatusFulfilling, "unknown")
	var page emailPage
	out := p.command("email list --limit 1000 -o json")
	require.NoError(t, json.Unmarshal([]byte(out), &page))
	var found *email.Delivery
	for _, d := range page.Emails {
		require.Equal(t, email.StatusUnknown, d.Status)
		if d.OrderID == p.id {
			found = &d
		}
	}
	require.NotNil(t, found)
	require.WithinDuration(t, time.Now(), found.Since, 2*longEnough)
	found.Since = time.Time{}
	require.Equal(t, email.Delivery{
		OrderID: p.id, Kind: email.KindConfirmation, Status: email.StatusUnknown, Attempt: 1, UnknownAttempts: 1,
		ErrorCode: "InternalServiceErrorException",
	}, *found)
	for _, line := range []string{"email list", "email list --status all --limit 1000", "email list -o json"} {
		out := p.command(line)
		require.NotContains(t, out, "@")
	}
	require.Regexp(t, `(?m)^`+p.id+` +confirmation +unknown +1 +1 +InternalServiceErrorException +\d{4}-\d\d-\d\dT[0-9:]+Z$`,
		p.command("email list --limit 1000"))
	other := place(t, sessim.FaultError)
	other.await(order.StatusFulfilling, "unknown")
	require.Contains(t, p.command("email list --limit 1"), "there are more than these 1: --limit\n")
}

func TestResolveEmail_ResendForOpenOrder(t *testing.T) {
	t.Parallel()
	p := place(t, sessim.FaultLost)
	p.await(order.StatusFulfilling, "unknown")
	require.Equal(t, map[string]int{"confirmation": 1}, p.acceptedEmails(), "accepted, but unknown to the worker")

	require.Equal(t, p.id+" confirmation is pending after 1 attempts, 1 of them unknown\n", p.command("email resolve ORDER confirmation --resend"))
	p.awaitRow("confirmation", "sent|2|1")
	require.Equal(t, map[string]int{"confirmation": 2}, p.acceptedEmails())
	require.Contains(t, p.refused("email resolve ORDER confirmation --resend"), "it is sent")

	p.signal(workflows.RecordShipmentMessage, workflows.RecordShipment{Carrier: "DHL", TrackingNumber: "1"})
	p.await(order.StatusShipped, "sent")
	require.Equal(t, map[string]int{"confirmation": 2, "shipment": 1}, p.acceptedEmails())
	require.Equal(t, "sent|1|0", p.row("shipment"))
}

func TestResolveEmail_ResendFailed(t *testing.T) {
	t.Parallel()
	p := place(t, sessim.FaultRejected)
	p.await(order.StatusFulfilling, "failed")
	p.command("email resolve ORDER confirmation --resend")
	p.awaitRow("confirmation", "sent|2|0")
	require.Equal(t, map[string]int{"confirmation": 1}, p.acceptedEmails())
}

func TestResolveEmail_SettleUnknown(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{"--sent": "sent|1|1", "--sent --message-id m-1": "sent|1|1", "--failed": "failed|1|1"} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			p := place(t, sessim.FaultError)
			p.await(order.StatusFulfilling, "unknown")
			for range 2 {
				p.command("email resolve ORDER confirmation " + line)
				require.Equal(t, want, p.row("confirmation"))
			}
			require.NotContains(t, p.command("email list --limit 1000"), p.id)
			p.signal(workflows.RecordShipmentMessage, workflows.RecordShipment{Carrier: "DHL", TrackingNumber: "1"})
			p.await(order.StatusShipped, "sent")
			require.Equal(t, map[string]int{"shipment": 1}, p.acceptedEmails())
		})
	}
}

// setStateTime sets the time at which an order's confirmation entered its state, to a
// range that no other test uses.
func (p testOrder) setStateTime(column, at string) {
	p.t.Helper()
	databaseLock.Lock()
	defer databaseLock.Unlock()
	_, err := shared.database.Exec(p.t.Context(), "UPDATE email_delivery SET "+column+" = $2 WHERE order_id = $1", p.id, at)
	require.NoError(p.t, err)
}

func TestResolveEmail_BulkFailed(t *testing.T) {
	t.Parallel()
	first, second, other := place(t, sessim.FaultStopped), place(t, sessim.FaultNoSet), place(t, sessim.FaultStopped)
	for p, at := range map[testOrder]string{
		first: "2001-02-03T04:00:00Z", second: "2001-02-03T04:59:59.999999Z", other: "2001-02-03T05:00:00Z",
	} {
		p.awaitRow("confirmation", "pending|1|0") // the account cannot send, which is not the email's fault
		p.setStateTime("created_at", at)
	}
	const line = "email resolve --status pending --from 2001-02-03T04:00:00Z --to 2001-02-03T06:00:00+01:00 --failed"

	planned := first.command(line + " --dry-run")
	require.Regexp(t, `(?m)^`+first.id+` +confirmation +pending +1 +0 +2001-02-03T04:00:00Z +would be resolved$`, planned)
	require.Contains(t, planned, second.id)
	require.NotContains(t, planned, other.id)
	require.NotContains(t, planned, "@")
	require.Equal(t, "pending|1|0", first.row("confirmation"), "nothing was changed")
	require.Contains(t, first.command(line+" --limit 1 --dry-run"), "there are more than these 1: --limit\n")

	var page resolvedPage
	require.NoError(t, json.Unmarshal([]byte(first.command(line+" -o json")), &page))
	require.Len(t, page.Emails, 2)
	for _, d := range page.Emails {
		require.Equal(t, email.StatusFailed, d.Status)
		require.Empty(t, d.Refused)
	}
	require.Equal(t, []string{"failed|1|0", "failed|1|0", "pending|1|0"},
		[]string{first.row("confirmation"), second.row("confirmation"), other.row("confirmation")})
	require.Equal(t, "there are none\n", first.command(line))
}

func TestResolveEmail_BulkResend(t *testing.T) {
	t.Parallel()
	p, erased := place(t, sessim.FaultError), place(t, sessim.FaultError)
	for _, p := range []testOrder{p, erased} {
		p.await(order.StatusFulfilling, "unknown")
		p.setStateTime("unknown_at", "2002-02-03T04:00:00Z")
	}
	erased.blank()
	const line = "email resolve --status unknown --from 2002-02-03T04:00:00Z --to 2002-02-03T05:00:00Z --resend"
	for _, line := range []string{line + " --dry-run", line} {
		require.Equal(t, "unknown|1|1", p.row("confirmation"))
		code, out, said := command(t.Context(), line)
		require.Equal(t, config.ExitFailure, code)
		require.Equal(t, "resolve emails: 1 of 2 were refused", strings.TrimSpace(said))
		require.Regexp(t, erased.id+` .* refused: it is unknown, and its address was erased\n`, out)
	}
	p.awaitRow("confirmation", "sent|2|1")
	require.Equal(t, "unknown|1|1", erased.row("confirmation"))
	require.Empty(t, erased.acceptedEmails())
}

func TestResolveEmail_FailPending(t *testing.T) {
	t.Parallel()
	p := place(t, sessim.FaultStopped)
	p.awaitRow("confirmation", "pending|1|0")
	require.Equal(t, p.id+" confirmation is pending after 1 attempts, 0 of them unknown\n", p.command("email resolve ORDER confirmation --failed --dry-run"))
	require.Equal(t, p.id+" confirmation is failed after 1 attempts, 0 of them unknown\n", p.command("email resolve ORDER confirmation --failed"))
	p.signal(workflows.RecordShipmentMessage, workflows.RecordShipment{Carrier: "DHL", TrackingNumber: "1"})
	p.awaitRow("shipment", "sent|1|0")
	require.Equal(t, map[string]int{"shipment": 1}, p.acceptedEmails())
}

// The ledger says pending, but Temporal was not informed: repeating the command completes
// it.
func TestResolveEmail_RepeatedResend(t *testing.T) {
	t.Parallel()
	p := place(t, sessim.FaultError)
	p.await(order.StatusFulfilling, "unknown")
	_, err := postgres.NewEmailLedger(shared.pool, postgres.EmailRules{}).ResolveEmail(t.Context(), email.Decision{
		OrderID: p.id, Kind: email.KindConfirmation, Resolution: email.ResolutionResend,
	})
	require.NoError(t, err)
	require.Equal(t, "pending|1|1", p.row("confirmation"))
	p.command("email resolve ORDER confirmation --resend")
	p.awaitRow("confirmation", "sent|2|1")
	require.Equal(t, map[string]int{"confirmation": 1}, p.acceptedEmails())
}

func TestResolveEmail_ResendOfCanceledOrder(t *testing.T) {
	t.Parallel()
	p := place(t, sessim.FaultError, sessim.FaultPaused)
	p.await(order.StatusFulfilling, "unknown")
	p.command("email resolve ORDER confirmation --resend")
	p.awaitRow("confirmation", "pending|2|1") // it waits for the provider
	p.signal(workflows.CancelOrderMessage, workflows.CancelOrder{Reason: "customer-request"})
	p.await(order.StatusCancelled, "sent")
	require.Equal(t, "unknown|2|1", p.row("confirmation"), "the customer may have it")
	require.Equal(t, map[string]int{"cancellation": 1}, p.acceptedEmails(), "and is notified")
	require.Contains(t, p.refused("email resolve ORDER confirmation --resend"), "it is unknown, and its order was cancelled")
}

func TestResolveEmail_AttemptInProgress(t *testing.T) {
	t.Parallel()
	p := place(t, sessim.FaultHang)
	p.awaitRow("confirmation", "sending|1|0")
	for _, flag := range []string{"--sent", "--failed", "--resend"} {
		require.Regexp(t, `it is being sent: ask again after \d{4}-.*Z$`, p.refused("email resolve ORDER confirmation "+flag))
	}
	p.await(order.StatusFulfilling, "unknown")
}

// blank blanks the personal data in the order's row, while the order may be open.
func (p testOrder) blank() {
	p.t.Helper()
	require.NoError(p.t, postgres.NewFulfillments(shared.pool, postgres.EmailRules{}).EraseOrder(p.t.Context(), p.id))
}

func TestErase_SuppressesEmails(t *testing.T) {
	t.Parallel()
	p := place(t, sessim.FaultPaused)
	p.awaitRow("confirmation", "pending|1|0")
	p.blank()
	require.Equal(t, "suppressed|1|0", p.row("confirmation"))
	require.Contains(t, p.refused("email resolve ORDER confirmation --resend"), "it is suppressed")
	p.signal(workflows.RecordShipmentMessage, workflows.RecordShipment{Carrier: "DHL", TrackingNumber: "1"})
	p.awaitRow("shipment", "suppressed|0|0")
	require.Empty(t, p.acceptedEmails())
}

func TestCommands_UnknownOrder(t *testing.T) {
	t.Parallel()
	p := testOrder{t: t, id: "order-nowhere"}
	require.Equal(t, "resolve email: order-nowhere has no shipment email", p.refused("email resolve ORDER shipment --failed"))
	require.Equal(t, "erase: order order-nowhere: no order was found", p.refused("erase --order ORDER"))
}

func TestCommands_InvalidArguments(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"email":                          "arguments: orderflow email must be followed by one of: list, resolve, suppressed, allow, templates; see --help\n",
		"email resolve":                  "ORDER: is required, or --status, --from and --to for many at once\narguments: exactly one of --sent, --failed and --resend is needed\n",
		"email resolve order-1 --failed": "KIND: is required\n",
		"email resolve --status sent --from yesterday --failed": "--from: must be a time such as 2025-01-31T12:00:00Z\n--status: must be unknown, pending or failed\n",
		"email resolve --status sent --failed":                  "--from: and --to are required with --status\n--status: must be unknown, pending or failed\n",
		"email resolve --status pending --from 2025-01-31T12:00:00Z --to 2025-01-31T12:00:00Z --sent --message-id m --kind note": "--from: must be before --to\n--kind: must be one of: confirmation, rejection, shipment, cancellation, or shipment-2 for an order's parcel 2, 3 and so on\n" +
			"--message-id: goes with --sent and one email, and has at most 256 bytes\n--status: what is pending cannot be resolved as sent\n",
		"email resolve order-1 shipment --failed --limit 5":      "arguments: either ORDER and KIND, or --status, --from and --to\n",
		"email resolve order-1 note --sent --failed":             "KIND: must be one of: confirmation, rejection, shipment, cancellation, or shipment-2 for an order's parcel 2, 3 and so on\narguments: exactly one of --sent, --failed and --resend is needed\n",
		"email resolve 1 shipment --resend":                      "ORDER: must be order- and 1 to 120 of [A-Za-z0-9._-]\n",
		"email resolve order-1 shipment --failed --message-id x": "--message-id: goes with --sent and one email, and has at most 256 bytes\n",
		"email list --status sent -o yaml --limit 0":             "--limit: must be from 1 to 10000\n--output: must be table or json\n--status: must be unknown, pending, sending, failed or all\n",
		"erase --order 1":           "--order: must be order- and 1 to 120 of [A-Za-z0-9._-]\n",
		"erase":                     "arguments: either CUSTOMER or --order is needed\n",
		"erase c --verify --unpaid": "--unpaid: must not be given with --verify\n",
		"migrate now":               "arguments: migrate takes no arguments\n",
	} {
		code, out, said := command(t.Context(), line)
		require.Equal(t, config.ExitConfiguration, code, line)
		require.Empty(t, out, line)
		require.Equal(t, want, said, line)
	}
}

// It is not parallel, for the SDK reads its address from the process.
func TestResolveEmail_TemporalUnavailable(t *testing.T) {
	p := place(t, sessim.FaultError)
	p.await(order.StatusFulfilling, "unknown")
	t.Setenv("TEMPORAL_ADDRESS", devservertest.Address(t)) // no server listens there
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	code, _, said := command(ctx, "email resolve "+p.id+" confirmation --resend")
	require.Equal(t, config.ExitFailure, code)
	require.Contains(t, said, "connect to Temporal")
	require.Equal(t, "unknown|1|1", p.row("confirmation"))
	p.command("email resolve ORDER confirmation --failed") // does not need Temporal
	require.Equal(t, "failed|1|1", p.row("confirmation"))
}
