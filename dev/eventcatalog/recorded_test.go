package eventcatalog_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/dev/eventcatalog"
)

func TestRecorded(t *testing.T) {
	t.Parallel()
	for _, e := range eventcatalog.Events() {
		t.Run(e.Type, func(t *testing.T) {
			t.Parallel()
			events, err := readRecorded(e.Type)
			require.NoError(t, err)
			require.NotEmpty(t, events, "make event-catalog")
			for path, data := range events {
				require.NoError(t, eventcatalog.Describes(e, data), "%s: the schema removes, retypes or requires a member", path)
				stream, err := e.Stream(data)
				require.NoError(t, err)
				require.NoError(t, e.Decode(stream, data), "%s: the code no longer decodes it", path)
			}
			requireEveryMember(t, e, slices.Collect(maps.Values(events)))
		})
	}
}

// requireEveryMember demands that a later removal, or requirement, of any member would be
// found: each is in a recorded event, and each optional one is missing in another.
func requireEveryMember(t *testing.T, e eventcatalog.Event, events [][]byte) {
	t.Helper()
	var roots []any
	for _, data := range events {
		var root any
		require.NoError(t, json.Unmarshal(data, &root))
		roots = append(roots, root)
	}
	var walk func(path string, s *eventcatalog.Schema, values []any)
	walk = func(path string, s *eventcatalog.Schema, values []any) {
		for name, property := range s.Properties {
			at := path + "." + name
			var present []any
			missing := false
			for _, value := range values {
				if object, ok := value.(map[string]any); ok {
					member, has := object[name]
					missing = missing || !has
					if has {
						present = append(present, member)
					}
				}
			}
			require.NotEmpty(t, present, "no example has %s", at)
			require.Equal(t, !slices.Contains(s.Required, name), missing, "%s is optional and in every example, or the reverse", at)
			walk(at, property, present)
		}
		if s.Items != nil {
			var items []any
			for _, value := range values {
				if list, ok := value.([]any); ok {
					items = append(items, list...)
				}
			}
			walk(path+"[]", s.Items, items)
		}
	}
	walk(e.Type, e.Data, roots)
}
