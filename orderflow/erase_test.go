package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/erasure"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// eraseCommand runs erase, and returns its exit code and output.
func (p testOrder) eraseCommand(line string) (code int, stdout, stderr string) {
	p.t.Helper()
	var out, said bytes.Buffer
	customer := "customer-" + strings.TrimPrefix(p.id, "order-")
	line = strings.NewReplacer("CUSTOMER", customer, "ORDER", p.id).Replace(line)
	c := cli{args: strings.Fields(line), environ: shared.environ, stdout: &out, stderr: &said}
	code = exitCode(&said, c.run(p.t.Context()))
	return code, out.String(), said.String()
}

func TestErase(t *testing.T) {
	t.Parallel()
	p := place(t)
	p.await(order.StatusFulfilling, "sent")
	for _, line := range []string{"erase CUSTOMER", "erase --order ORDER"} {
		code, _, said := p.eraseCommand(line)
		require.Equal(t, 1, code)
		require.Equal(t, "erase: nothing was erased, because of 1 orders\n"+p.id+" is open: the workflow "+p.id+" is running\n", said)
	}
	p.signal(workflows.RecordShipmentMessage, workflows.RecordShipment{Carrier: "DHL", TrackingNumber: "1"})
	p.await(order.StatusShipped, "sent")
	code, out, said := p.eraseCommand("erase CUSTOMER --verify")
	require.Equal(t, exitAttention, code, said)
	require.Regexp(t, `KurrentDB +`+p.id+` +held +the stream can be read\nPostgreSQL +`+p.id+` +held +2 email addresses\n`, out)
	code, _, said = p.eraseCommand("erase CUSTOMER")
	require.Equal(t, 1, code)
	require.Contains(t, said, "is not paid, and its credit is reserved: see --unpaid")

	code, out, said = p.eraseCommand("erase CUSTOMER --unpaid")
	require.Zero(t, code, said)
	require.Contains(t, out, ": 1 streams deleted, 1 rows blanked\n")
	_, err := shared.events.LastEvent(t.Context(), p.id)
	require.True(t, kurrent.IsGone(err))
	require.Equal(t, "sent|1|0", p.row("confirmation"))

	code, out, said = p.eraseCommand("erase --order ORDER --verify -o json")
	require.Equal(t, exitAttention, code)
	require.Equal(t, "erase: 2 places still hold personal data\n", said, "the log and earlier versions of rows")
	var report erasure.Report
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	require.Equal(t, 1, report.Orders)
	require.Equal(t, 2, report.Left())
	require.NotContains(t, out, "Canary")
}
