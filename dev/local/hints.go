package main

import (
	"cmp"
	"maps"
	"path/filepath"
	"slices"

	"orderflow/dev/local/internal/orders"
	"orderflow/dev/local/internal/stack"
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
	chosen                       map[string]string // the order named for each thing to try
}

func newHinter(d stack.Description, binDir string) hinter {
	h := hinter{
		cli: d.TemporalCLI, address: d.TemporalAddress, reader: filepath.Join(binDir, "kurrentsim"), events: d.KurrentDBURL,
		chosen: map[string]string{},
	}
	if h.cli == "" {
		h.cli = "temporal"
	}
	return h
}

// hints gives a command for each thing to try, with an order that it fits, if there is one.
func (h hinter) hints(seen []orders.Seen) []hint {
	ship := h.choose(seen, "ship", order.StatusFulfilling)
	cancel := h.choose(seen, "cancel", order.StatusFulfilling)
	approve := h.choose(seen, "approve", order.StatusOnHold)
	return []hint{
		h.update("ship an order", ship, workflows.RecordShipmentMessage, `{"carrier":"DHL","trackingNumber":"JD0146"}`),
		h.update("cancel another", cancel, workflows.CancelOrderMessage, `{"reason":"customer-request"}`),
		h.update("approve a third, on hold", approve, workflows.ApproveCreditMessage, `{"by":"op-1","note":"good customer"}`),
		{"read an order's stream", []string{h.reader + ` read --url "` + h.events + `" \`, "  " + ship}},
	}
}

func (h hinter) update(what, orderID, name, input string) hint {
	return hint{what, []string{
		h.cli + " workflow update execute --address " + h.address + ` \`,
		"  --workflow-id " + orderID + " --name " + name + ` \`,
		"  --input '" + input + "'",
	}}
}

// choose names an order in a status, another one for each thing to try. It stays with the one it named as long as that
// fits: a command must not change under the hand that copies it.
func (h hinter) choose(seen []orders.Seen, toTry string, status order.Status) string {
	named := slices.IndexFunc(seen, func(s orders.Seen) bool { return s.OrderID == h.chosen[toTry] })
	if h.chosen[toTry] != "" && (named < 0 || seen[named].Status == status) {
		return h.chosen[toTry]
	}
	delete(h.chosen, toTry)
	taken := slices.Collect(maps.Values(h.chosen))
	fits := func(s orders.Seen) bool { return s.Status == status && !slices.Contains(taken, s.OrderID) }
	if i := slices.IndexFunc(seen, fits); i >= 0 {
		h.chosen[toTry] = seen[i].OrderID
	}
	return cmp.Or(h.chosen[toTry], "ORDER")
}
