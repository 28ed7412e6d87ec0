// Package page writes what the benchmark found out into a page of the documentation: into
// the blocks of a Markdown file between comments, with prose around them that people
// write, and as charts.
package page

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"orderflow/dev/bench/internal/report"
)

// block is a generated part of the page: a comment with its name, its content, and a
// comment that ends it.
var block = regexp.MustCompile(`(?s)(<!-- bench: ([a-z-]+) -->\n)(.*?)(<!-- /bench -->)`)

// notMeasured is the content of a scenario's block if the run did not measure it.
const notMeasured = "\nNot part of this run.\n\n"

// Fill returns the page with its blocks replaced: run, goals, and one for each scenario by
// its name. It returns an error if the page has no block for something in the result.
func Fill(page []byte, r report.Report) ([]byte, error) {
	contents, err := contentsOf(r)
	if err != nil {
		return nil, err
	}
	filled := block.ReplaceAllFunc(page, func(found []byte) []byte {
		parts := block.FindSubmatch(found)
		name := string(parts[2])
		content, measured := contents[name]
		if !measured {
			content = []byte(notMeasured)
		}
		delete(contents, name)
		return slices.Concat(parts[1], content, parts[4])
	})
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(contents)) {
		faults = append(faults, fmt.Errorf("the result has %s, and the page has no block for it", name))
	}
	return filled, errors.Join(faults...)
}

func contentsOf(r report.Report) (map[string][]byte, error) {
	contents := map[string][]byte{"run": runBlock(r), "goals": goalsBlock(r)}
	for _, s := range r.Scenarios {
		if s.Error != "" {
			return nil, fmt.Errorf("%s failed: %s", s.Name, s.Error)
		}
		contents[s.Name] = scenarioBlock(r, s)
	}
	return contents, nil
}

// runBlock says where and with what the benchmark ran.
func runBlock(r report.Report) []byte {
	var b bytes.Buffer
	kurrentdb := "kurrentsim, as KurrentDB " + r.Servers.KurrentDB
	if r.Servers.RealKurrentDB {
		kurrentdb = "KurrentDB " + r.Servers.KurrentDB
	}
	_, _ = fmt.Fprintf(&b, "\nThe %s run of %s took %.0f minutes on %d cores (%s), %.0f GiB of memory, %s. ",
		r.Size, r.Began.Format("2 January 2006"), r.Seconds/60, r.Machine.Cores, r.Machine.Processor, r.Machine.MemoryGiB, r.Machine.OS)
	_, _ = fmt.Fprintf(&b, "Servers: Temporal %s, PostgreSQL %s, %s, sessim. %d rounds. ", r.Servers.Temporal, r.Servers.Postgres, kurrentdb, r.Rounds)
	_, _ = fmt.Fprintf(&b, "Orderflow %s, commit %s, %s.\n\n", r.Version, cmp.Or(r.Commit, "unknown"),
		cmp.Or(strings.Join(r.Settings, ", "), "default settings"))
	return b.Bytes()
}

// goalsBlock lists everything that has a goal.
func goalsBlock(r report.Report) []byte {
	var b bytes.Buffer
	b.WriteString("\n| Scenario | Measured | Result | Goal | |\n|---|---|---|---|---|\n")
	for _, row := range r.Rows() {
		if row.Goal == "" {
			continue
		}
		_, _ = fmt.Fprintf(&b, "| [%s](#%s) | %s | %s | %s | %s |\n", row.Scenario, anchor(titleOf(r, row.Scenario)), row.Name, valueOf(row), row.Goal, row.Verdict)
	}
	_, _ = fmt.Fprintf(&b, "\n![Results relative to their goals](%s/%s)\n\n", chartFolder, goalsFile)
	return b.Bytes()
}

// scenarioBlock lists everything that a scenario found out, with its charts.
func scenarioBlock(r report.Report, s report.Scenario) []byte {
	var b bytes.Buffer
	b.WriteString("\n| Measured | Result | Product | Ceiling | Goal |\n|---|---|---|---|---|\n")
	for _, row := range r.Rows() {
		if row.Scenario != s.Name {
			continue
		}
		goal := row.Goal
		if row.Verdict != "" {
			goal += ", " + row.Verdict
		}
		_, _ = fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", row.Name, valueOf(row), row.Product, row.Ceiling, goal)
	}
	for _, c := range s.Charts {
		_, _ = fmt.Fprintf(&b, "\n![%s](%s/%s)\n", c.Title, chartFolder, chartFile(s.Name, c.Name))
	}
	b.WriteByte('\n')
	return b.Bytes()
}

func valueOf(row report.Row) string {
	if row.Spread == "" {
		return row.Value
	}
	return fmt.Sprintf("%s (%s)", row.Value, row.Spread)
}

func titleOf(r report.Report, scenario string) string {
	at := slices.IndexFunc(r.Scenarios, func(s report.Scenario) bool { return s.Name == scenario })
	return r.Scenarios[at].Title
}

var notInAnchor = regexp.MustCompile(`[^a-z0-9 -]`)

// anchor returns the anchor of a heading on GitHub.
func anchor(heading string) string {
	lower := bytes.ToLower([]byte(heading))
	return string(bytes.ReplaceAll(notInAnchor.ReplaceAll(lower, nil), []byte(" "), []byte("-")))
}
