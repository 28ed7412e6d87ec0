// Package deploy holds the files of a deployment that `orderflow setup` carries.
package deploy

import (
	_ "embed"
	"strings"
)

//go:embed roles.sql
var rolesFile string

// Kinds of steps of roles.sql.
const (
	StepRole        = "role"        // creates a role
	StepGrants      = "grants"      // grants a role what its binary needs
	StepReplication = "replication" // lets a role replicate
)

// RoleStep is a step of roles.sql. It may be repeated.
type RoleStep struct {
	Kind string
	Role string
	SQL  string // one statement
}

const stepMark = "-- step: "

// RoleSteps returns the steps of roles.sql, in their order.
func RoleSteps() (steps []RoleStep) {
	for _, section := range strings.Split(rolesFile, "\n"+stepMark)[1:] {
		title, body, _ := strings.Cut(section, "\n")
		kind, role, _ := strings.Cut(title, " ")
		steps = append(steps, RoleStep{Kind: kind, Role: role, SQL: withoutComments(body)})
	}
	return steps
}

func withoutComments(sql string) string {
	var lines []string
	for line := range strings.Lines(sql) {
		if !strings.HasPrefix(line, "--") {
			lines = append(lines, line)
		}
	}
	return strings.TrimSpace(strings.Join(lines, ""))
}
