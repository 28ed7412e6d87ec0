package postgres

import "github.com/jackc/pgx/v5"

// Statements of which tests look at the plan.
const (
	SelectLongestHeld   = selectLongestHeld
	SelectUnknownEmails = selectUnknownEmails
	CountUnknownEmails  = countUnknownEmails
)

// Explained returns the statement of a list and its arguments.
func (f OrderFilter) Explained(limit int) (string, pgx.NamedArgs) {
	return f.statement(), f.arguments(limit)
}
