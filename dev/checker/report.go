package main

import (
	"encoding/json"
	"io"

	"orderflow/dev/checker/internal/facts"
	"orderflow/dev/checker/internal/judge"
)

// report is what is printed. Its counts say how much was checked: no violations among no
// orders prove nothing.
type report struct {
	Counts     map[string]int64  `json:"counts"`
	Invariants map[string]int64  `json:"violated"` // violations by invariant, all of them
	Violations []judge.Violation `json:"violations"`
}

func newReport(f *facts.Facts, violations []judge.Violation, limit int) report {
	r := report{Counts: count(f), Invariants: map[string]int64{}, Violations: []judge.Violation{}}
	for _, v := range violations { // sorted by invariant
		if r.Invariants[v.Invariant]++; r.Invariants[v.Invariant] <= int64(limit) {
			r.Violations = append(r.Violations, v)
		}
	}
	r.Counts["violations"] = int64(len(violations))
	return r
}

func (r report) write(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

func count(f *facts.Facts) map[string]int64 {
	c := map[string]int64{"accounts": int64(len(f.Accounts)), "bytesScanned": f.Scanned, "leaks": int64(len(f.Leaks))}
	for _, o := range f.Orders {
		countOrder(c, o)
	}
	for _, a := range f.Accounts {
		for _, e := range a.Events {
			c[e.Type]++
			if e.ApprovedBy != "" {
				c["approvedOutsideTheRule"]++
			}
		}
	}
	return c
}

func countOrder(c map[string]int64, o *facts.Order) {
	if o.First() != nil {
		c["orders"]++
	}
	for i := range o.Placed {
		switch p := o.Placed[i]; {
		case p.Fault != "":
			c["ordersInvalid"]++
		case p.EventID != o.First().EventID:
			c["ordersDuplicate"]++
		}
	}
	c["payments"] += int64(len(o.Payments))
	c["cancellations"] += int64(len(o.Cancellations))
	c["instructions"] += int64(len(o.Instructions))
	c["parked"] += int64(len(o.Parked))
	c["settlements"] += int64(len(o.Settlements))
	c["repairs"] += int64(len(o.Repairs))
	c["versions"] += int64(len(o.Versions))
	c["published"] += int64(len(o.Published))
	c["messages"] += int64(len(o.Messages))
	for _, run := range o.Runs {
		c["workflows "+string(run.Status)]++
	}
	if o.Row != nil {
		c["rows "+string(o.Row.Status)]++
		if o.Row.Erased {
			c["rowsErased"]++
		}
	}
	for _, m := range o.Mails {
		c["mails "+m.Status]++
		c["mailAttemptsUnknown"] += int64(m.Unknown)
		c["messagesTwice"] += int64(max(0, len(o.MessagesOf(m.Kind))-1))
	}
}
