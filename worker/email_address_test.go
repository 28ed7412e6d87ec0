package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/order"
	"orderflow/workflows"
)

func TestEmailAddress_Punycode(t *testing.T) {
	t.Parallel()
	p := place(t, " mira.punycode@bücher.example\t")
	p.await(order.StatusFulfilling, "sent")
	p.address = "mira.punycode@xn--bcher-kva.example"
	require.Equal(t, map[string]int{"confirmation": 1}, p.acceptedEmails())
}

func TestEmailAddress_RefusedBySES(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"mira..refused@example.com", "mira@", "Mira <mira@example.com>"} {
		p := place(t, address)
		p.await(order.StatusFulfilling, "failed")
		p.signal(workflows.RecordShipmentMessage, workflows.RecordShipment{Carrier: "Österreichische Post", TrackingNumber: "1"})
		p.await(order.StatusShipped, "failed")
		require.Equal(t, []string{"failed|1|0", "failed|1|0"}, []string{p.row("confirmation"), p.row("shipment")})
	}
}
