package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/dev/local/internal/orders"
	"orderflow/dev/local/internal/stack"
	"orderflow/internal/order"
)

var noon = time.Date(2025, time.June, 1, 12, 0, 0, 0, time.UTC)

func seen(id string, status order.Status, age time.Duration) orders.Seen {
	total, _ := order.ParseMoney("USD12.10")
	return orders.Seen{Started: noon.Add(-age), State: order.State{
		OrderID: id, CustomerID: "customer-7", Status: status, Total: total, Credit: order.CreditReserved, Email: "sent",
	}}
}

func newTestHinter() hinter {
	return newHinter(stack.Description{
		TemporalCLI: "/opt/temporal", TemporalAddress: "127.0.0.1:7233", KurrentDBURL: "kurrentdb://127.0.0.1:2113?tls=false",
	}, "/opt/bin", false)
}

func TestBoard_ShowsOrdersAndCommands(t *testing.T) {
	t.Parallel()
	all := []orders.Seen{seen("order-b", order.StatusFulfilling, 5*time.Second), seen("order-a", order.StatusOnHold, 2*time.Hour)}
	all[1].Reason = order.ReasonInsufficientCredit

	text := board{links: []link{{"inbox", "http://127.0.0.1:8005"}}, seen: all, hints: newTestHinter().hints(all), now: noon}.render()

	require.Contains(t, text, "inbox        http://127.0.0.1:8005\n")
	require.Regexp(t, `order-b +fulfilling +reserved +sent +5s +USD12.10 +customer-7`, text)
	require.Regexp(t, `order-a +on-hold +reserved +sent +2h +USD12.10 +customer-7 +INSUFFICIENT_CREDIT`, text)
	require.Contains(t, text, `/opt/temporal workflow update execute --address 127.0.0.1:7233 \
  --workflow-id order-a --name approve-credit \
  --input '{"by":"op-1","note":"good customer"}'
`)
	require.Contains(t, text, `/opt/bin/kurrentsim read --url "kurrentdb://127.0.0.1:2113?tls=false" \
  order-b
`)
}

func TestBoard_FitsLowTerminal(t *testing.T) {
	t.Parallel()
	var many []orders.Seen
	for i := range 15 {
		many = append(many, seen(fmt.Sprintf("order-%02d", i), order.StatusFulfilling, 0))
	}
	for _, height := range []int{12, 24, 30, 50} {
		b := board{seen: many, hints: newTestHinter().hints(many), now: noon, height: height}

		text := b.render()

		require.LessOrEqual(t, strings.Count(text, "\n"), height, "height %d", height)
		require.Contains(t, text, "order-00", "the newest order stays")
		require.Contains(t, text, "record-shipment", "one command stays")
	}
}

func TestHinter_KeepsOrderWhileItFits(t *testing.T) {
	t.Parallel()
	h := newTestHinter()
	require.Contains(t, h.hints(nil)[0].lines[1], "--workflow-id ORDER")
	require.Contains(t, h.hints([]orders.Seen{seen("order-1", order.StatusFulfilling, 0)})[0].lines[1], "order-1")
	newer := []orders.Seen{
		seen("order-3", order.StatusFulfilling, 0), seen("order-2", order.StatusFulfilling, 0), seen("order-1", order.StatusFulfilling, 0),
	}
	require.Contains(t, h.hints(newer)[0].lines[1], "order-1", "the command does not change while the user copies it")
	require.Contains(t, h.hints(newer)[1].lines[1], "order-3", "one order cannot be both shipped and canceled")
	newer[2].Status = order.StatusShipped
	require.Contains(t, h.hints(newer)[0].lines[1], "order-2")
	require.Contains(t, h.hints(nil)[0].lines[1], "order-2", "an order that left the board keeps its command")
}

func TestLines_PrintEachChangeOnce(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	shown := newLines(&out, nil, nil)
	unknown := orders.Seen{State: order.State{OrderID: "order-3"}}
	shown.show([]orders.Seen{unknown, seen("order-2", order.StatusPending, 0), seen("order-1", order.StatusFulfilling, 0)})
	shown.show([]orders.Seen{unknown, seen("order-2", order.StatusPending, 0), seen("order-1", order.StatusShipped, 0)})

	require.Equal(t, "order-1 USD12.10 fulfilling, credit reserved, e-mail sent\n"+
		"order-2 USD12.10 pending, credit reserved, e-mail sent\n"+
		"order-1 USD12.10 shipped, credit reserved, e-mail sent\n", out.String())
}

// Without the endpoint the CLI ends with an error after the update, because it cannot read
// the encrypted result.
func TestHinter_NamesCodecEndpoint(t *testing.T) {
	t.Parallel()
	encrypted := stack.Description{CodecURL: "http://127.0.0.1:8080/codec"}
	for flags, h := range map[string]hinter{
		`--codec-endpoint http://127.0.0.1:8080/codec`:                             newHinter(encrypted, "bin", false),
		`--codec-endpoint http://127.0.0.1:8080/codec --codec-auth "Bearer TOKEN"`: newHinter(encrypted, "bin", true),
	} {
		for _, hint := range h.hints(nil)[:3] {
			require.Contains(t, strings.Join(hint.lines, "\n"), "\\\n  "+flags+" \\\n  --workflow-id ")
		}
	}
	for _, hint := range newTestHinter().hints(nil) {
		require.NotContains(t, strings.Join(hint.lines, "\n"), "codec")
	}
}
