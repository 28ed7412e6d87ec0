package judge

import (
	"fmt"
	"slices"

	"orderflow/dev/checker/internal/facts"
)

func published() []Invariant {
	return []Invariant{
		{"published.once", "every version of a row is one event of the order's fulfillment stream, in order", eachOrder(publishedOnce)},
		{"published.content", "a published event matches its version", eachOrder(publishedContent)},
		{"published.aside", "an order is set aside if and only if its fulfillment stream holds an event that is not one of its versions", aside},
	}
}

func publishedOnce(o *facts.Order) []string {
	versions := int64(0)
	if o.Row != nil {
		versions = o.Row.Revision + 1
	}
	var details []string
	for i, p := range o.Published {
		if p.Foreign { // no version can follow it
			versions = int64(i)
			break
		}
		details = append(details, pick(
			broken{p.Revision != uint64(i), fmt.Sprintf("event %d is where %d should be", p.Revision, i)},
			broken{p.Version != int64(i), fmt.Sprintf("event %d is of version %d", i, p.Version)},
		)...)
	}
	published := slices.DeleteFunc(slices.Clone(o.Published), func(p facts.Published) bool { return p.Foreign })
	return append(details, pick(broken{int64(len(published)) != versions,
		fmt.Sprintf("%d events were published of %d versions", len(published), versions)})...)
}

func publishedContent(o *facts.Order) []string {
	byVersion := map[int64]facts.Version{}
	for _, v := range o.Versions { // pruned versions can no longer be compared
		byVersion[v.Revision] = v
	}
	var details []string
	for _, p := range o.Published {
		if p.Foreign {
			continue
		}
		details = append(details, pick(broken{p.Fault != "", fmt.Sprintf("event %d: %s", p.Revision, p.Fault)})...)
		v, found := byVersion[p.Version]
		if !found || o.Row == nil {
			continue
		}
		details = append(details, pick(
			broken{p.Type != v.Type, fmt.Sprintf("event %d is called %s, the version %s", p.Revision, p.Type, v.Type)},
			broken{p.Old != v.Old || p.New != v.New, fmt.Sprintf("event %d has other images than the version", p.Revision)},
			broken{p.Parcels != v.Parcels, fmt.Sprintf("event %d has %d parcels, the version %d", p.Revision, p.Parcels, v.Parcels)},
			broken{p.Status != v.Status, fmt.Sprintf("event %d has %s, the version %s", p.Revision, p.Status, v.Status)},
			broken{p.CustomerID != o.Row.CustomerID || p.Total != o.Row.Total, fmt.Sprintf("event %d is of another customer or total", p.Revision)},
			broken{p.Causation != o.Row.SourceEventID, fmt.Sprintf("event %d names another cause", p.Revision)},
		)...)
	}
	return details
}

func aside(f *facts.Facts) []Violation {
	return eachOrder(func(o *facts.Order) []string {
		isAside := slices.Contains(f.SetAside, o.ID)
		return pick(
			broken{isAside && !o.HasForeignEvents(), "its versions are set aside"},
			broken{!isAside && o.HasForeignEvents() && o.Row != nil, "its stream holds an event of another program, and it is not set aside"},
		)
	})(f)
}
