package eventcatalog

import (
	"maps"
	"slices"
)

// Schema is a JSON Schema of draft 7, as far as the catalog needs it.
type Schema struct {
	Schema      string             `json:"$schema,omitempty"`
	Title       string             `json:"title,omitempty"`
	Description string             `json:"description,omitempty"`
	Type        any                `json:"type,omitempty"` // a string, or two with "null"; nil for a member that is not read
	Pattern     string             `json:"pattern,omitempty"`
	Format      string             `json:"format,omitempty"`
	MinLength   int                `json:"minLength,omitempty"`
	MaxLength   int                `json:"maxLength,omitempty"`
	Minimum     *int               `json:"minimum,omitempty"`
	Maximum     *int               `json:"maximum,omitempty"`
	MinItems    int                `json:"minItems,omitempty"`
	MaxItems    int                `json:"maxItems,omitempty"`
	Items       *Schema            `json:"items,omitempty"`
	Required    []string           `json:"required,omitempty"`
	Properties  map[string]*Schema `json:"properties,omitempty"`
	AnyOf       []*Schema          `json:"anyOf,omitempty"`
	Additional  *bool              `json:"additionalProperties,omitempty"` // nil allows members that are not described
}

// member is a member of an object.
type member struct {
	name     string
	schema   *Schema
	required bool
}

func required(name string, s *Schema) member { return member{name, s, true} }
func optional(name string, s *Schema) member { return member{name, s, false} }

func object(description string, members ...member) *Schema {
	s := &Schema{Description: description, Type: "object", Properties: map[string]*Schema{}}
	for _, m := range members {
		s.Properties[m.name] = m.schema
		if m.required {
			s.Required = append(s.Required, m.name)
		}
	}
	return s
}

func array(description string, least, most int, items *Schema) *Schema {
	return &Schema{Description: description, Type: "array", MinItems: least, MaxItems: most, Items: items}
}

// anything is a member that Orderflow does not read, and so of any type.
func anything(description string) *Schema { return &Schema{Description: description} }

// words is text that Orderflow chooses.
func words(description string) *Schema { return &Schema{Description: description, Type: "string"} }

// text is text that a producer chooses, of at most 1024 bytes.
func text(description string) *Schema {
	return &Schema{Description: description + ". At most 1024 bytes.", Type: "string", MaxLength: 1024}
}

// identifier is an id of 1 to 128 bytes.
func identifier(description string) *Schema {
	return &Schema{
		Description: description + ". At most 128 bytes, not blank, without control characters.",
		Type:        "string", MinLength: 1, MaxLength: 128, Pattern: `^[^\x00-\x1f\x7f]*$`,
	}
}

func orderID(description string) *Schema {
	return &Schema{Description: description, Type: "string", Pattern: `^order-[A-Za-z0-9._-]{1,120}$`}
}

// code is a reason or the id of an operator.
func code(description string) *Schema {
	return &Schema{Description: description, Type: "string", Pattern: `^[A-Za-z0-9._-]{1,64}$`}
}

const moneyPattern = `^[A-Z]{3}[0-9]+(\.[0-9]+)?$`

// money is an amount with its currency.
func money(description string) *Schema {
	return &Schema{
		Description: description + ". A currency of ISO 4217 and an amount with at most its decimals, such as USD12.34.",
		Type:        "string", MaxLength: 64, Pattern: moneyPattern,
	}
}

func boolean(description string) *Schema { return &Schema{Description: description, Type: "boolean"} }

func timestamp(description string) *Schema {
	return &Schema{Description: description, Type: "string", Format: "date-time"}
}

// whole is a whole number. The bounds count if one of them is not 0.
func whole(description string, least, most int) *Schema {
	return bounded(&Schema{Description: description, Type: "integer"}, least, most)
}

// atLeastOne is a whole number from 1.
func atLeastOne(description string) *Schema {
	least := 1
	return &Schema{Description: description, Type: "integer", Minimum: &least}
}

// number is a number of any precision.
func number(description string, least, most int) *Schema {
	return bounded(&Schema{Description: description, Type: "number"}, least, most)
}

func bounded(s *Schema, least, most int) *Schema {
	if least != 0 || most != 0 {
		s.Minimum, s.Maximum = &least, &most
	}
	return s
}

// orNull returns the schema of a value that may be null.
func orNull(s *Schema) *Schema {
	s.Type = []string{s.Type.(string), "null"}
	return s
}

// Has reports whether the schema describes values of a type, and of null if it may be null.
func (s *Schema) Has(name string) bool {
	if all, ok := s.Type.([]string); ok {
		return slices.Contains(all, name)
	}
	return s.Type == name
}

// strict returns the schema without members that are not described.
func (s *Schema) strict() *Schema {
	if s == nil {
		return nil
	}
	closed := *s
	closed.Items = s.Items.strict()
	if len(s.Properties) > 0 {
		closed.Additional = new(bool)
		closed.Properties = maps.Clone(s.Properties)
		for name, property := range s.Properties {
			closed.Properties[name] = property.strict()
		}
	}
	return &closed
}
