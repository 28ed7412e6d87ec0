package judge

import (
	"fmt"

	"orderflow/deploy/checker/internal/facts"
)

func published() []Invariant {
	return []Invariant{
		{"published.once", "every version of a row is one event of the order's fulfilment stream, in order", eachOrder(publishedOnce)},
		{"published.content", "a published event says what its version says", eachOrder(publishedContent)},
		{"published.none-aside", "no version is put aside", noneAside},
	}
}

func publishedOnce(o *facts.Order) []string {
	versions := int64(0)
	if o.Row != nil {
		versions = o.Row.Revision + 1
	}
	var details []string
	for i, p := range o.Published {
		details = append(details, pick(
			broken{p.Revision != uint64(i), fmt.Sprintf("event %d is where %d should be", p.Revision, i)},
			broken{p.Version != int64(i), fmt.Sprintf("event %d is of version %d", i, p.Version)},
		)...)
	}
	return append(details, pick(broken{int64(len(o.Published)) != versions,
		fmt.Sprintf("%d events were published of %d versions", len(o.Published), versions)})...)
}

func publishedContent(o *facts.Order) []string {
	byVersion := map[int64]facts.Version{}
	for _, v := range o.Versions { // those that are pruned cannot be compared any more
		byVersion[v.Revision] = v
	}
	var details []string
	for _, p := range o.Published {
		details = append(details, pick(broken{p.Fault != "", fmt.Sprintf("event %d: %s", p.Revision, p.Fault)})...)
		v, there := byVersion[p.Version]
		if !there || o.Row == nil {
			continue
		}
		details = append(details, pick(
			broken{p.Type != v.Type, fmt.Sprintf("event %d is called %s, the version %s", p.Revision, p.Type, v.Type)},
			broken{p.Old != v.Old || p.New != v.New, fmt.Sprintf("event %d has other images than the version", p.Revision)},
			broken{p.Status != v.Status, fmt.Sprintf("event %d says %s, the version %s", p.Revision, p.Status, v.Status)},
			broken{p.CustomerID != o.Row.CustomerID || p.Total != o.Row.Total, fmt.Sprintf("event %d is of another customer or total", p.Revision)},
			broken{p.Causation != o.Row.SourceEventID, fmt.Sprintf("event %d names another cause", p.Revision)},
		)...)
	}
	return details
}

func noneAside(f *facts.Facts) []Violation {
	var found []Violation
	for _, id := range f.SetAside {
		found = append(found, Violation{Order: id, Detail: "versions of it are put aside"})
	}
	return found
}
