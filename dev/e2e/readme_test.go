package e2e_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"orderflow/internal/order"
)

// The blocks marked sh of README and the pages it links to are pasted one after the other
// into one shell, as their readers are asked to, while a stack with generated orders is
// running. Only addresses and folders are the test's own.
func TestReadme_Commands(t *testing.T) {
	t.Parallel()
	s, err := startStack(t.TempDir(), []string{"CREDIT_HOLD=30m"}, "--generate", "20", "--rate", "0", "--seed", "11")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.stop()) })
	visitor := newStackClientFor(t, s)
	visitor.awaitConfirmed(20)

	shell, waits := newPageShell(t, s), 0
	var printed strings.Builder
	for _, block := range readmeBlocks(t) {
		if strings.Contains(block.script, published) {
			// A reader takes a moment between the command that cancels and the queries of
			// the stores, and the publisher needs it.
			waits++
			shell.run("for _ in {1..600}; do [[ $(" + published + ` 2>&1) == *order-cancelled* ]] && break; sleep 0.2; done` + "\n")
		}
		printed.WriteString(shell.run(block.script))
	}
	require.Equal(t, 1, waits, "the block that reads the events published for the canceled order")

	visitor.awaitStatus(shell.variable("ORDER"), order.StatusShipped)
	visitor.awaitStatus(shell.variable("OTHER"), order.StatusCancelled)
	visitor.awaitStatus(shell.variable("HELD"), order.StatusFulfilling)
	for _, want := range []string{
		"order-shipped", "credit-released", "order-placed", "order-cancelled", "confirmation", "201 Created", `"limit":"USD900.00"`,
	} {
		require.Contains(t, printed.String(), want)
	}
}

// awaitConfirmed waits until this many orders have settled, some of them on hold, and the
// customers of the others have their email. Visibility lags behind the state of an order.
func (s *stackClient) awaitConfirmed(orders int64) {
	s.t.Helper()
	s.awaitListed(`OrderStatus IN ("fulfilling", "on-hold")`, orders)
	s.awaitListed(`OrderStatus="on-hold"`, 1)
	require.EventuallyWithT(s.t, func(c *assert.CollectT) {
		answer, err := s.temporal.CountWorkflow(s.t.Context(), &workflowservice.CountWorkflowExecutionsRequest{
			Namespace: "default", Query: `OrderStatus="fulfilling"`,
		})
		require.NoError(c, err)
		var sent int64
		require.NoError(c, s.database.QueryRow(s.t.Context(), "SELECT count(*) FROM email_delivery WHERE status = 'sent'").Scan(&sent))
		require.Equal(c, answer.GetCount(), sent)
	}, patience, 100*time.Millisecond)
}

// readmePages are README and the pages that continue where it ends, in the order in which
// they are read: each uses variables that the ones before it set.
var readmePages = []string{"README.md", "docs/tutorial.md", "docs/http.md"}

// executedElsewhere are the pages whose blocks other tests execute: dev/upgrade, with a
// stack of its own, and TestTemporalCLI_Page.
var executedElsewhere = []string{"docs/upgrades.md", cliPage}

// readmeBlocks returns the blocks of these pages, and fails the test if another page has
// blocks that no test runs.
func readmeBlocks(t *testing.T) (blocks []pageBlock) {
	t.Helper()
	documents, err := filepath.Glob("../../docs/*.md")
	require.NoError(t, err)
	for _, document := range documents {
		text, err := os.ReadFile(document)
		require.NoError(t, err)
		if page := "docs/" + filepath.Base(document); strings.Contains(string(text), "\n```sh\n") && !slices.Contains(executedElsewhere, page) {
			require.Contains(t, readmePages, page)
		}
	}
	for _, page := range readmePages {
		blocks = append(blocks, pageBlocks(t, page)...)
	}
	return blocks
}

// published is the tutorial's command that prints what was published of the order that it
// cancels.
const published = `kurrentsim read "fulfillment-$OTHER"`

func dial(t *testing.T, s *stack) client.Client {
	t.Helper()
	options, err := s.temporalOptions()
	require.NoError(t, err)
	c, err := client.DialContext(context.Background(), options)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}
