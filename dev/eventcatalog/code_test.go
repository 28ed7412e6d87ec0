package eventcatalog_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"orderflow/dev/eventcatalog"
	"orderflow/internal/config"
	"orderflow/internal/order"
	"orderflow/internal/routes"
)

// eventType is the form of an event's type.
var eventType = regexp.MustCompile(`^[a-z]+(-[a-z]+)+$|^OrderPlaced$`)

// The code names the types of events in constants that begin with Type.
func TestEvents_AreThoseOfTheCode(t *testing.T) {
	t.Parallel()
	var listed []string
	for _, e := range eventcatalog.Events() {
		require.NotContains(t, listed, e.Type)
		listed = append(append(listed, e.Type), e.Aliases...)
	}
	require.ElementsMatch(t, typesInCode(t), listed)
}

func typesInCode(t *testing.T) (types []string) {
	t.Helper()
	files, err := filepath.Glob("../../internal/*/*.go")
	require.NoError(t, err)
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(file, func(node ast.Node) bool {
			spec, ok := node.(*ast.ValueSpec)
			if !ok || len(spec.Values) != len(spec.Names) {
				return true
			}
			for i, name := range spec.Names {
				if literal, ok := spec.Values[i].(*ast.BasicLit); ok && strings.HasPrefix(name.Name, "Type") {
					if value, err := strconv.Unquote(literal.Value); err == nil && eventType.MatchString(value) {
						types = append(types, value)
					}
				}
			}
			return true
		})
	}
	return types
}

func TestEvents_HaveEveryRoute(t *testing.T) {
	t.Parallel()
	router := routes.New(nil, client.Options{}, nil, config.Attributes{})
	for route := range router.Routes {
		require.True(t, slices.ContainsFunc(eventcatalog.Events(), func(e eventcatalog.Event) bool {
			return e.Direction == eventcatalog.Receive && (e.Type == route || slices.Contains(e.Aliases, route))
		}), "the starter has a route for %s", route)
	}
}

// The members of what the code encodes are those of the schema, and of its types. One that
// the code may leave out need not be in each type of event.
func TestEvents_HaveMembersOfTheCode(t *testing.T) {
	t.Parallel()
	described := map[reflect.Type]map[string]bool{}
	for _, e := range eventcatalog.Events() {
		if e.Body == nil {
			require.Equal(t, eventcatalog.Receive, e.Direction, "%s: what Orderflow writes has a Body", e.Type)
			continue
		}
		body := reflect.TypeOf(e.Body)
		fields := jsonFields(body)
		if described[body] == nil {
			described[body] = map[string]bool{}
		}
		for name, property := range e.Data.Properties {
			field, ok := fields[name]
			require.True(t, ok, "%s has no %s", body, name)
			described[body][name] = true
			if field.Type != reflect.TypeFor[json.RawMessage]() { // the image of a row
				require.True(t, property.Has(jsonType(field.Type)), "%s.%s is %s", e.Type, name, field.Type)
			}
		}
		for name, field := range fields {
			_, ok := e.Data.Properties[name]
			require.True(t, ok || strings.Contains(field.Tag.Get("json"), ",omit"), "%s lacks %s", e.Type, name)
		}
	}
	for body, names := range described {
		require.ElementsMatch(t, slices.Collect(maps.Keys(jsonFields(body))), slices.Collect(maps.Keys(names)), body)
	}
}

// jsonFields returns the members that a struct is encoded to, with those of the structs
// that it embeds.
func jsonFields(of reflect.Type) map[string]reflect.StructField {
	fields := map[string]reflect.StructField{}
	for _, field := range reflect.VisibleFields(of) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if !field.Anonymous && name != "" && name != "-" {
			fields[name] = field
		}
	}
	return fields
}

func jsonType(of reflect.Type) string {
	switch {
	case of == reflect.TypeFor[order.Money](), of == reflect.TypeFor[time.Time](), of.Kind() == reflect.String:
		return "string"
	case of.Kind() == reflect.Bool:
		return "boolean"
	case of.Kind() == reflect.Slice:
		return "array"
	case of.Kind() >= reflect.Int && of.Kind() <= reflect.Uint64:
		return "integer"
	default:
		return "object"
	}
}

// The image of a row has the columns that the migrations say.
func TestEvents_HaveColumnsOfTheImage(t *testing.T) {
	t.Parallel()
	migrations, err := filepath.Glob("../../internal/postgres/migrations/*.sql")
	require.NoError(t, err)
	var columns []string
	for _, path := range migrations { // in their order: the last definition counts
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		_, definition, found := strings.Cut(string(text), "FUNCTION order_fulfillment_image(")
		if !found {
			continue
		}
		definition, _, _ = strings.Cut(definition, "$$;")
		columns = nil
		for _, match := range regexp.MustCompile(`'([a-z_]+)', `).FindAllStringSubmatch(definition, -1) {
			columns = append(columns, match[1])
		}
	}
	described := map[string]bool{} // by any type of event
	for _, e := range eventcatalog.Events() {
		if image := e.Data.Properties["new"]; image != nil {
			for column := range image.Properties {
				described[column] = true
			}
		}
	}
	require.ElementsMatch(t, columns, slices.Collect(maps.Keys(described)))
}
