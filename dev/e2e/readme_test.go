package e2e_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
	dir := t.TempDir()
	s, err := startStack(dir, []string{"CREDIT_HOLD=30m"}, "--generate", "20", "--rate", "0", "--seed", "11")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.stop()) })
	visitor := newStackClientFor(t, s)
	visitor.awaitConfirmed(20)

	script := strings.NewReplacer(
		"$PWD/.local/bin", binaries, ".local/stack.json", filepath.Join(dir, "stack.json"), "http://localhost:8005", s.SESURL,
		"http://localhost:8080", s.APIURL,
	).Replace(readmeScript(t))
	shell := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script+"\necho \"ids $ORDER $OTHER $HELD\"\n")
	shell.Env = append(os.Environ(), "TEMPORAL_ADDRESS="+s.TemporalAddress, "KURRENTDB_URL="+s.KurrentURL)
	out, err := shell.CombinedOutput()
	require.NoError(t, err, string(out))

	ids := regexp.MustCompile(`(?m)^ids (\S+) (\S+) (\S+)$`).FindStringSubmatch(string(out))
	require.Len(t, ids, 4, string(out))
	visitor.awaitStatus(ids[1], order.StatusShipped)
	visitor.awaitStatus(ids[2], order.StatusCancelled)
	visitor.awaitStatus(ids[3], order.StatusFulfilling)
	for _, want := range []string{
		"order-shipped", "credit-released", "order-placed", "order-cancelled", "confirmation", "201 Created", `"limit":"USD900.00"`,
	} {
		require.Contains(t, string(out), want)
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

// executedPages are the pages with blocks marked sh, in the order in which they are read:
// each uses variables that the ones before it set.
var executedPages = []string{"README.md", "docs/tutorial.md", "docs/http.md"}

// executedElsewhere are the pages whose blocks a test of another package executes, with a
// stack of its own.
var executedElsewhere = []string{"docs/upgrades.md"} // dev/upgrade

// readmeScript returns the blocks of these pages one after the other. A reader takes a
// moment between the command that cancels and the queries of the stores, and the
// publisher needs it. So the script waits there.
func readmeScript(t *testing.T) string {
	t.Helper()
	documents, err := filepath.Glob("../../docs/*.md")
	require.NoError(t, err)
	for _, document := range documents {
		text, err := os.ReadFile(document)
		require.NoError(t, err)
		if page := "docs/" + filepath.Base(document); strings.Contains(string(text), "\n```sh\n") && !slices.Contains(executedElsewhere, page) {
			require.Contains(t, executedPages, page)
		}
	}
	var pages strings.Builder
	for _, page := range executedPages {
		text, err := os.ReadFile(filepath.Join("../..", page))
		require.NoError(t, err)
		require.Contains(t, string(text), "\n```sh\n", page)
		pages.Write(text)
	}
	var script strings.Builder
	waits := 0
	for _, block := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllStringSubmatch(pages.String(), -1) {
		if strings.Contains(block[1], published) {
			waits++
			script.WriteString("for _ in {1..600}; do [[ $(" + published + ` 2>&1) == *order-cancelled* ]] && break; sleep 0.2; done` + "\n")
		}
		script.WriteString(block[1])
	}
	require.Equal(t, 1, waits, "the block that reads the events published for the canceled order")
	return script.String()
}

// published is the tutorial's command that prints what was published of the order that it
// cancels.
const published = `kurrentsim read "fulfillment-$OTHER"`

func dial(t *testing.T, s *stack) client.Client {
	t.Helper()
	c, err := client.DialContext(context.Background(), client.Options{HostPort: s.TemporalAddress, Logger: silent{}})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}
