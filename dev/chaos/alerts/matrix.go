package main

import (
	"fmt"
	"slices"
	"strings"
)

// matrix returns the table of docs/alerts.md: a row for each fault, with the alerts that fire
// and those that may, each a link to what to do.
func matrix(all []fault) string {
	var b strings.Builder
	b.WriteString("| fault | what breaks | fires | may fire too |\n|---|---|---|---|\n")
	for _, f := range all {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.name, f.about, links(f.fires), links(f.may))
	}
	return b.String()
}

func links(alerts []string) string {
	var all []string
	for _, name := range slices.Sorted(slices.Values(alerts)) {
		all = append(all, fmt.Sprintf("[%s](#%s)", strings.TrimPrefix(name, "Orderflow"), strings.ToLower(name)))
	}
	return strings.Join(all, ", ")
}
