package doctor

import "strings"

// reachable is the name of each store's first check.
const reachable = "/reachable"

// check is one named check of the facts.
type check struct {
	name  string // store/what
	judge func(*facts) Result
}

// checks returns all checks in the order of a report.
func checks() []check {
	return []check{
		{"kurrentdb/reachable", kurrentReachable},
		{"kurrentdb/version", kurrentVersion},
		{"kurrentdb/append-limit", appendLimit},
		{"kurrentdb/projection", projection},
		{"kurrentdb/group", group},
		{"kurrentdb/starter", starter},
		{"kurrentdb/lag", groupLag},
		{"kurrentdb/parked", parked},
		{"kurrentdb/read-rights", readRights},
		{"kurrentdb/write-rights", writeRights},
		{"postgres/reachable", postgresReachable},
		{"postgres/version", postgresVersion},
		{"postgres/writable", writable},
		{"postgres/pooler", pooler},
		{"postgres/schema", schema},
		{"postgres/durability", durability},
		{"postgres/wal-level", walLevel},
		{"postgres/publication", publication},
		{"postgres/slot", slot},
		{"postgres/publisher", publisher},
		{"postgres/slot-lag", slotLag},
		{"postgres/slot-bound", slotBound},
		{"postgres/failover", failover},
		{"postgres/standbys", standbys},
		{"postgres/roles", roles},
		{"postgres/replication-role", replicationRole},
		{"postgres/rights", postgresRights},
		{"postgres/connections", connections},
		{"temporal/reachable", temporalReachable},
		{"temporal/version", temporalVersion},
		{"temporal/namespace", namespace},
		{"temporal/search-attributes", searchAttributes},
		{"temporal/retention", retention},
		{"temporal/workers", workers},
		{"temporal/deployment", deployment},
		{"temporal/email-rate", emailRate},
		{"temporal/fairness", fairness},
		{"temporal/stuck", stuck},
		{"ses/reachable", sesReachable},
		{"ses/sandbox", sandbox},
		{"ses/sending", sending},
		{"ses/quota", quota},
		{"ses/rate", sesRate},
		{"ses/identity", identity},
		{"ses/dkim", dkim},
		{"ses/configuration-set", configurationSet},
		{"machine/clock", clocksAgree},
	}
}

// Checks returns the names of all checks, in the order of a report.
func Checks() []string {
	var names []string
	for _, c := range checks() {
		names = append(names, c.name)
	}
	return names
}

// Summary counts results by what a caller has to do.
type Summary struct {
	Findings int // warnings and problems
	Failed   int // checks that could not be made
}

// Summarize counts results.
func Summarize(results []Result) (s Summary) {
	for _, r := range results {
		switch r.Status {
		case Warning, Problem:
			s.Findings++
		case Failed:
			s.Failed++
		}
	}
	return s
}

func list(names []string) string { return strings.Join(names, ", ") }
