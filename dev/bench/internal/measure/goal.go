package measure

import "strconv"

// The relations of a goal.
const (
	atLeast = ">="
	atMost  = "<="
)

// Goal is a limit for a value. The zero Goal limits nothing.
type Goal struct {
	Relation string  `json:"relation"` // ">=" or "<="
	Value    float64 `json:"value"`
}

// AtLeast returns the goal of a value that should be large.
func AtLeast(value float64) Goal { return Goal{atLeast, value} }

// AtMost returns the goal of a value that should be small.
func AtMost(value float64) Goal { return Goal{atMost, value} }

// Met reports whether a value reaches the goal.
func (g Goal) Met(value float64) bool {
	switch g.Relation {
	case atLeast:
		return value >= g.Value
	case atMost:
		return value <= g.Value
	default:
		return true
	}
}

// IsZero reports whether there is no goal.
func (g Goal) IsZero() bool { return g == Goal{} }

// String returns a text such as ">= 0.95", or "" if there is no goal.
func (g Goal) String() string {
	if g.IsZero() {
		return ""
	}
	return g.Relation + " " + strconv.FormatFloat(g.Value, 'f', -1, 64)
}
