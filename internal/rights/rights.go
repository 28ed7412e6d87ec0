// Package rights is the table of what each binary may do in KurrentDB.
//
// Package setup grants it and package doctor compares a server with it. It owns neither
// the users' names nor how rights are stored. Rights in PostgreSQL belong to the schema's
// own grant functions.
package rights

import (
	"slices"
	"strings"

	"orderflow/internal/credit"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
)

// Other programs, which append to KurrentDB.
const (
	Checkout   = "checkout"   // orders, payments, cancellations and shipments
	CreditDesk = "creditdesk" // decisions about the credit of orders
)

// Others returns the programs that are not Orderflow's.
func Others() []string { return []string{Checkout, CreditDesk} }

// Binaries returns the programs of Orderflow that connect to KurrentDB, each with its own
// user.
func Binaries() []string {
	return []string{"starter", "worker", "publisher", "projector", "api", "reconcile"}
}

// Need is a right on a stream, or on each stream of a category, that a program needs.
type Need struct {
	Stream string // for people: a category is NAME-*
	Probe  string // a stream of that name, which need not exist
	Right  kurrent.Right
}

// String returns what the right allows, such as "read credit-*".
func (n Need) String() string {
	verb := map[kurrent.Right]string{
		kurrent.RightRead: "read ", kurrent.RightWrite: "write ", kurrent.RightMetaRead: "read the metadata of ",
	}[n.Right]
	return verb + n.Stream
}

// Of returns what a binary, or one of Others, needs. The starter's group of orders is on
// groupStream.
func Of(program, groupStream string) []Need {
	const read, write, metadata = kurrent.RightRead, kurrent.RightWrite, kurrent.RightMetaRead
	switch program {
	case "starter":
		needed := category("order", read, metadata)
		for _, stream := range slices.Backward(GroupStreams(groupStream)) {
			needed = append(on(stream, read), needed...)
		}
		return slices.Concat(needed, category("creditdecision", read, metadata), category("credit", read, metadata))
	case "worker":
		return slices.Concat(category("credit", read, metadata, write), category("order", read, metadata), category("email", read, write))
	case "publisher":
		return category("fulfillment", read, write)
	case "projector":
		return on(kurrent.All, read)
	case "api":
		return slices.Concat(category("order", read, metadata, write), category("credit", read, metadata, write))
	case "reconcile":
		return slices.Concat(on(kurrent.All, read), category("order", read, metadata), category("credit", read, metadata),
			category("fulfillment", read))
	case Checkout:
		return category("order", write)
	case CreditDesk:
		return category("creditdecision", write)
	default:
		return nil
	}
}

// OnUserStreams returns the rights on streams of users' names that a program needs. The
// server has one default for all of them, whatever their category.
func OnUserStreams(program string) (found []kurrent.Right) {
	for _, need := range Of(program, kurrent.All) {
		if !strings.HasPrefix(need.Probe, "$") && !slices.Contains(found, need.Right) {
			found = append(found, need.Right)
		}
	}
	return found
}

// ReadsAll reports whether a program reads $all.
func ReadsAll(program string) bool { return program == "projector" || program == "reconcile" }

// UsesGroup reports whether a program describes the starter's groups and reads their streams
// or their parked events.
func UsesGroup(program string) bool { return program == "starter" || program == "reconcile" }

// GroupStreams returns the streams of the starter's groups, that of orders first.
func GroupStreams(groupStream string) []string {
	if groupStream == kurrent.All {
		return []string{groupStream}
	}
	return []string{groupStream, order.CreditDecisionLinks, credit.Links}
}

// Projected returns the streams of links that system projections fill and open to every
// user, although the events that they lead to have names, addresses or credit: those of the
// starter's groups, and others, which no program reads.
func Projected(groupStream string) (streams []string) {
	if strings.HasPrefix(groupStream, "$") {
		streams = append(streams, groupStream)
	}
	for _, stream := range []string{
		"$ce-order", order.CreditDecisionLinks, credit.Links, "$ce-fulfillment", "$ce-email", "$et-" + order.TypePlaced, "$et-" + order.TypePlacedAlias, "$streams",
	} {
		if stream != groupStream {
			streams = append(streams, stream)
		}
	}
	return streams
}

// category returns rights on each stream of a category. The stream that is looked at need
// not exist: its rights are the same as those of a new one.
func category(name string, rights ...kurrent.Right) []Need {
	return needs(name+"-*", name+"-orderflow.doctor", rights)
}

func on(stream string, rights ...kurrent.Right) []Need { return needs(stream, stream, rights) }

func needs(stream, probe string, rights []kurrent.Right) (all []Need) {
	for _, right := range rights {
		all = append(all, Need{stream, probe, right})
	}
	return all
}
