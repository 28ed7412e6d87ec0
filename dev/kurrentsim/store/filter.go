package store

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// maxExpression bounds a filter's prefixes together, and its expression, in bytes.
const maxExpression = 64 << 10

// ErrInvalidFilter is returned for a filter that cannot be used.
var ErrInvalidFilter = errors.New("invalid filter")

// Filter takes events by the name of their stream or by their type. It looks at the event as it stands in the log: at a
// link, not at its target.
type Filter struct {
	byType   bool
	prefixes []string
	pattern  *regexp.Regexp
}

// NewFilter builds a filter from prefixes or from an unanchored regular expression, which wins if there are both. The
// expression is RE2: without the look-around and back-references a real server understands.
func NewFilter(byType bool, prefixes []string, expression string) (*Filter, error) {
	size := len(expression)
	for _, p := range prefixes {
		size += len(p)
	}
	if size > maxExpression {
		return nil, fmt.Errorf("%w: over %d bytes", ErrInvalidFilter, maxExpression)
	}
	f := &Filter{byType: byType, prefixes: prefixes}
	if expression == "" {
		return f, nil
	}
	pattern, err := regexp.Compile(expression)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidFilter, err)
	}
	f.pattern = pattern
	return f, nil
}

// Match is true for a nil filter.
func (f *Filter) Match(stream, eventType string) bool {
	if f == nil {
		return true
	}
	subject := stream
	if f.byType {
		subject = eventType
	}
	if f.pattern != nil {
		return f.pattern.MatchString(subject)
	}
	for _, p := range f.prefixes {
		if strings.HasPrefix(subject, p) {
			return true
		}
	}
	return false
}
