package eventcatalog_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/dev/eventcatalog"
)

// What Orderflow reads follows the schema: what the schema refuses the code refuses, and
// what is within its limits the code takes.
func TestSchemas_AgreeWithDecoders(t *testing.T) {
	t.Parallel()
	for _, e := range eventcatalog.Events() {
		if e.Direction != eventcatalog.Receive {
			continue
		}
		t.Run(e.Type, func(t *testing.T) {
			t.Parallel()
			first := &decoderCheck{t: t, event: e, stream: streamOf(t, e, []byte(e.Examples[0]))}
			first.object("", e.Data, decoded(t, e.Examples[0]), func(changed any) any { return changed })
			require.Positive(t, first.taken, "no change was within the schema")
			require.Positive(t, first.refused, "no change was outside the schema")
		})
	}
}

// decoderCheck compares the schema with the decoder for changes of one event.
type decoderCheck struct {
	t              *testing.T
	event          eventcatalog.Event
	stream         string
	taken, refused int
}

// object changes the members of an object. around returns the event with the object
// replaced.
func (c *decoderCheck) object(path string, s *eventcatalog.Schema, value map[string]any, around func(any) any) {
	c.compare(path+" with a member that is not described", around(with(value, "unheardOf", map[string]any{"x": 1})))
	for name, property := range s.Properties {
		at := path + "." + name
		c.compare(at+" is missing", around(without(value, name)))
		if property.Type == nil {
			c.compare(at+" is of another type and not read", around(with(value, name, []any{1})))
			continue
		}
		within := func(changed any) any { return around(with(value, name, changed)) }
		for what, changed := range changes(property, value[name]) {
			c.compare(at+" is "+what, within(changed))
		}
		switch member := value[name].(type) {
		case map[string]any:
			c.object(at, property, member, within)
		case []any:
			c.items(at, property, member, within)
		}
	}
}

func (c *decoderCheck) items(path string, s *eventcatalog.Schema, value []any, around func(any) any) {
	within := func(changed any) any { return around(append([]any{changed}, value[1:]...)) }
	for what, changed := range changes(s.Items, value[0]) {
		c.compare(path+"[0] is "+what, within(changed))
	}
	if item, ok := value[0].(map[string]any); ok {
		c.object(path+"[0]", s.Items, item, within)
	}
}

// changes returns values of another type and at both sides of each limit.
func changes(s *eventcatalog.Schema, value any) map[string]any {
	all := map[string]any{}
	for kind, other := range map[string]any{"string": "words", "number": 1.5, "boolean": true, "array": []any{}, "object": map[string]any{}} {
		if !s.Has(kind) && (kind != "number" || !s.Has("integer")) {
			all["of the type "+kind] = other
		}
	}
	if s.MinLength > 0 || s.Pattern != "" {
		all["empty"] = ""
	}
	if s.MaxLength > 0 && s.Pattern == "" || s.MinLength > 0 {
		all["as long as it may be"] = strings.Repeat("x", s.MaxLength)
		all["too long"] = strings.Repeat("x", s.MaxLength+1)
	}
	if s.Pattern != "" || s.Format != "" {
		all["of another form"] = "\x01!"
	}
	if s.Minimum != nil {
		all["the least"], all["too little"] = *s.Minimum, *s.Minimum-1
	}
	if s.Maximum != nil {
		all["the most"], all["too much"] = *s.Maximum, *s.Maximum+1
	}
	if list, ok := value.([]any); ok && s.MaxItems > 0 {
		all["as many as there may be"] = repeated(list[0], s.MaxItems)
		all["too many"] = repeated(list[0], s.MaxItems+1)
		all["none"] = []any{}
	}
	return all
}

// repeated returns an array with an item so many times. Items that name a line of the
// order name another one each, which a schema cannot demand.
func repeated(item any, times int) []any {
	all := slices.Repeat([]any{item}, times)
	if object, ok := item.(map[string]any); ok && object["line"] != nil {
		for i := range all {
			all[i] = with(object, "line", i+1)
		}
	}
	return all
}

// compare fails the test unless the schema and the decoder agree about an event.
func (c *decoderCheck) compare(what string, event any) {
	c.t.Helper()
	data, err := json.Marshal(event)
	require.NoError(c.t, err)
	described, err := eventcatalog.Accepts(c.event, data)
	require.NoError(c.t, err)
	switch decodes := c.event.Decode(c.stream, data); {
	case described == nil && decodes != nil:
		c.t.Errorf("%s: the schema allows it, the code refuses it: %v", what, decodes)
	case described != nil && decodes == nil:
		c.t.Errorf("%s: the code takes it, the schema refuses it: %v", what, described)
	case described == nil:
		c.taken++
	default:
		c.refused++
	}
}

func with(object map[string]any, name string, value any) map[string]any {
	changed := without(object, name)
	changed[name] = value
	return changed
}

func without(object map[string]any, name string) map[string]any {
	changed := map[string]any{}
	for key, value := range object {
		if key != name {
			changed[key] = value
		}
	}
	return changed
}

func decoded(t *testing.T, example string) (object map[string]any) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(example), &object))
	return object
}

func streamOf(t *testing.T, e eventcatalog.Event, example []byte) string {
	t.Helper()
	stream, err := e.Stream(example)
	require.NoError(t, err, fmt.Sprintf("%s needs an id in its first example", e.Type))
	return stream
}
