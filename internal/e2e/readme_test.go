package e2e_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"orderflow/internal/order"
)

// The blocks marked sh are pasted one after the other into one shell, as README asks its reader to, beside a stack with
// generated orders. Only addresses and folders are the test's own.
func TestReadmesCommandsDoWhatItSays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := startStack(dir, []string{"CREDIT_HOLD=30m"}, "--generate", "20", "--rate", "0", "--seed", "11")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.stop()) })
	visitor := &shop{t: t, stack: s, temporal: dial(t, s)}
	visitor.awaitListed(`OrderStatus="fulfilling"`, 2)
	visitor.awaitListed(`OrderStatus="on-hold"`, 1)

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

func readmeScript(t *testing.T) string {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	var script strings.Builder
	for _, block := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllStringSubmatch(string(readme), -1) {
		script.WriteString(block[1])
	}
	require.NotEmpty(t, script.String())
	return script.String()
}

func dial(t *testing.T, s *stack) client.Client {
	t.Helper()
	c, err := client.DialContext(context.Background(), client.Options{HostPort: s.TemporalAddress, Logger: silent{}})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}
