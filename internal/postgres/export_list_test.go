package postgres

import "github.com/jackc/pgx/v5"

// SelectLongestHeld is for tests of plans.
const SelectLongestHeld = selectLongestHeld

// Explained returns the statement of a list and its arguments.
func (f OrderFilter) Explained(limit int) (string, pgx.NamedArgs) {
	return f.statement(), f.arguments(limit)
}
