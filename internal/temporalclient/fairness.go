package temporalclient

import "strconv"

// Settings in the dynamic configuration of a self-hosted Temporal.
const (
	// FairnessSetting makes the matching service dispatch the tasks of a task queue by their
	// fairness keys in turn. Without it, keys have no effect, and no error says so.
	FairnessSetting = "matching.enableFairness"

	// FairnessMigrationSetting lets tasks that were waiting when FairnessSetting changed be
	// dispatched. Temporal 1.30 has it, and 1.31 by default.
	FairnessMigrationSetting = "matching.enableMigration"
)

// DynamicConfigLine returns the line of YAML that turns a setting on in one namespace.
func DynamicConfigLine(setting, namespace string) string {
	return setting + ": [{value: true, constraints: {namespace: " + strconv.Quote(namespace) + "}}]"
}
