package store

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// maxExpression limits the total length of a filter's prefixes, and its expression, in
// bytes.
const maxExpression = 64 << 10

// ErrInvalidFilter is returned for a filter that cannot be used.
var ErrInvalidFilter = errors.New("invalid filter")

// Filter selects events by the name of their stream or by their type. It looks at the
// event as stored in the log: at a link, not at its target.
type Filter struct {
	byType   bool
	prefixes []string
	pattern  *regexp.Regexp
}

// NewFilter returns a filter built from prefixes or from an unanchored regular
// expression. The expression is used if both are set. It is RE2, without the look-around
// and back-references that a real server supports.
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

// Match reports whether the filter selects an event. A nil filter selects all.
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
