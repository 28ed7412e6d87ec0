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

// hinter builds commands with the paths and addresses of this stack.
type hinter struct {
	cli, address, reader, events string
	codec                        string            // flags with which the CLI has payloads decrypted; empty if none is encrypted
	chosen                       map[string]string // the order id used in each command
}

// newHinter returns a hinter. The api asks for a token if withToken is true.
func newHinter(d stack.Description, binDir string, withToken bool) hinter {
	h := hinter{
		cli: d.TemporalCLI, address: d.TemporalAddress, reader: filepath.Join(binDir, "kurrentsim"), events: d.KurrentDBURL,
		chosen: map[string]string{},
	}
	if h.cli == "" {
		h.cli = "temporal"
	}
	if d.CodecURL != "" {
		h.codec = "--codec-endpoint " + d.CodecURL
		if withToken {
			h.codec += ` --codec-auth "Bearer TOKEN"`
		}
	}
	return h
}

// hints returns one command for each thing to try, with the id of a suitable order if
// there is one.
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
	lines := []string{
		h.cli + " workflow update execute --address " + h.address + ` \`,
		"  --workflow-id " + orderID + " --name " + name + ` \`,
		"  --input '" + input + "'",
	}
	if h.codec != "" { // without it the CLI cannot show the result, and fails
		lines = slices.Insert(lines, 1, "  "+h.codec+` \`)
	}
	return hint{what, lines}
}

// choose returns the id of an order in the given status, a different one for each
// command. It keeps its choice while that order still fits, so a command does not change
// while the user copies it.
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
