package main

import (
	"cmp"
	"path/filepath"
	"slices"

	"orderflow/deploy/local/internal/orders"
	"orderflow/deploy/local/internal/stack"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// hint is a command to try, in lines that can be pasted together.
type hint struct {
	what  string
	lines []string
}

// hinter makes commands with the paths and addresses of this stack.
type hinter struct {
	cli, address, reader, events string
	chosen                       map[order.Status]string // the order named for each status
}

func newHinter(d stack.Description, binDir string) hinter {
	h := hinter{
		cli: d.TemporalCLI, address: d.TemporalAddress, reader: filepath.Join(binDir, "kurrentsim"), events: d.KurrentDBURL,
		chosen: map[order.Status]string{},
	}
	if h.cli == "" {
		h.cli = "temporal"
	}
	return h
}

// hints gives a command for each thing to try, with an order that it fits, if there is one.
func (h hinter) hints(seen []orders.Seen) []hint {
	fulfilling, held := h.choose(seen, order.StatusFulfilling), h.choose(seen, order.StatusOnHold)
	return []hint{
		h.update("ship an order", fulfilling, workflows.RecordShipmentMessage, `{"carrier":"dhl","trackingNumber":"JD0146"}`),
		h.update("cancel an order", fulfilling, workflows.CancelOrderMessage, `{"reason":"changed-mind"}`),
		h.update("approve an order on hold", held, workflows.ApproveCreditMessage, `{"by":"ann","note":"a good customer"}`),
		{"read an order's stream", []string{h.reader + ` read --url "` + h.events + `" \`, "  " + fulfilling}},
	}
}

func (h hinter) update(what, orderID, name, input string) hint {
	return hint{what, []string{
		h.cli + " workflow update execute --address " + h.address + ` \`,
		"  --workflow-id " + orderID + " --name " + name + ` \`,
		"  --input '" + input + "'",
	}}
}

// choose names an order in a status. It stays with the one it named as long as that fits: a command must not change under
// the hand that copies it.
func (h hinter) choose(seen []orders.Seen, status order.Status) string {
	fits := func(s orders.Seen) bool { return s.Status == status }
	chosen := func(s orders.Seen) bool { return s.OrderID == h.chosen[status] }
	if gone := slices.IndexFunc(seen, chosen); h.chosen[status] == "" || gone >= 0 && !fits(seen[gone]) {
		delete(h.chosen, status)
		if i := slices.IndexFunc(seen, fits); i >= 0 {
			h.chosen[status] = seen[i].OrderID
		}
	}
	return cmp.Or(h.chosen[status], "ORDER")
}
