package eventcatalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// asyncAPI is the document, as far as the catalog needs it.
type asyncAPI struct {
	Version    string               `yaml:"asyncapi"`
	Info       map[string]string    `yaml:"info"`
	Servers    map[string]server    `yaml:"servers"`
	Channels   map[string]channel   `yaml:"channels"`
	Operations map[string]operation `yaml:"operations"`
	Components components           `yaml:"components"`
}

type server struct {
	Host        string `yaml:"host"`
	Protocol    string `yaml:"protocol"`
	Description string `yaml:"description"`
}

type channel struct {
	Address     string                       `yaml:"address"`
	Description string                       `yaml:"description"`
	Parameters  map[string]map[string]string `yaml:"parameters"`
	Messages    map[string]reference         `yaml:"messages"`
}

type operation struct {
	Action   Direction   `yaml:"action"`
	Channel  reference   `yaml:"channel"`
	Messages []reference `yaml:"messages"`
}

type components struct {
	Messages map[string]message   `yaml:"messages"`
	Schemas  map[string]formatted `yaml:"schemas"`
}

type message struct {
	Name        string           `yaml:"name"`
	Summary     string           `yaml:"summary"`
	ContentType string           `yaml:"contentType"`
	Headers     reference        `yaml:"headers"`
	Payload     formatted        `yaml:"payload"`
	Examples    []map[string]any `yaml:"examples"`
}

type formatted struct {
	Format string `yaml:"schemaFormat"`
	Schema any    `yaml:"schema"`
}

type reference struct {
	To string `yaml:"$ref"`
}

const jsonSchema = "application/schema+json;version=draft-07"

// Document returns the AsyncAPI document. It refers to the schemas by their files.
func Document() ([]byte, error) {
	doc := asyncAPI{
		Version: "3.0.0",
		Info: map[string]string{
			"title": "Orderflow", "version": "1.0.0",
			"description": "The events that Orderflow receives from and sends to KurrentDB. Written by make event-catalog.",
		},
		Servers: map[string]server{
			"kurrentdb": {Host: "localhost:2113", Protocol: "kurrentdb", Description: "KurrentDB. A channel is a kind of stream."},
		},
		Channels: map[string]channel{}, Operations: map[string]operation{},
		Components: components{
			Messages: map[string]message{},
			Schemas:  map[string]formatted{"metadata": {jsonSchema, plain(metadata())}},
		},
	}
	for _, e := range Events() {
		if err := doc.add(e); err != nil {
			return nil, fmt.Errorf("%s: %w", e.Type, err)
		}
	}
	var text bytes.Buffer
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	if err := encoder.Encode(doc); err != nil {
		return nil, err
	}
	return text.Bytes(), nil
}

func (doc *asyncAPI) add(e Event) error {
	name := e.Channel.Name
	if _, ok := doc.Channels[name]; !ok {
		doc.Channels[name] = channel{
			Address: e.Channel.Prefix + "{" + e.Channel.Parameter + "}", Description: e.Channel.About,
			Parameters: map[string]map[string]string{e.Channel.Parameter: {"description": "What follows " + e.Channel.Prefix + " in the stream's name."}},
			Messages:   map[string]reference{},
		}
	}
	var example any
	if err := json.Unmarshal([]byte(e.Examples[0]), &example); err != nil {
		return err
	}
	key := string(e.Direction) + strings.ToUpper(name[:1]) + name[1:]
	op := doc.Operations[key]
	op.Action, op.Channel = e.Direction, reference{"#/channels/" + name}
	for _, eventType := range append([]string{e.Type}, e.Aliases...) {
		doc.Components.Messages[eventType] = message{
			Name: eventType, Summary: e.About, ContentType: "application/json",
			Headers:  reference{"#/components/schemas/metadata"},
			Payload:  formatted{jsonSchema, reference{"./" + SchemaFile(e.Type)}},
			Examples: []map[string]any{{"payload": example}},
		}
		doc.Channels[name].Messages[eventType] = reference{"#/components/messages/" + eventType}
		op.Messages = append(op.Messages, reference{"#/channels/" + name + "/messages/" + eventType})
	}
	doc.Operations[key] = op
	return nil
}

// metadata returns the schema of an event's metadata. package correlation owns it.
func metadata() *Schema {
	return object("What led to the event. Metadata of another form is left out and is no error.",
		optional("$correlationId", &Schema{Description: "The same for all that is written about an order.", Type: "string", Pattern: `^[A-Za-z0-9._:-]{1,128}$`}),
		optional("$causationId", words("The id of the event that caused this one.")),
		optional("traceparent", words("W3C trace context, version 00.")),
		optional("$traceId", words("The same trace, as KurrentDB's clients write it.")),
		optional("$spanId", words("Likewise.")))
}

// plain returns a schema as the maps that both JSON and YAML encode.
func plain(s *Schema) any {
	var value any
	data, err := json.Marshal(s)
	if err == nil {
		err = json.Unmarshal(data, &value)
	}
	if err != nil {
		panic(err) // a Schema holds nothing that JSON cannot
	}
	return value
}

// SchemaFile returns the path of a type's schema, from the AsyncAPI document.
func SchemaFile(eventType string) string { return "schemas/" + eventType + ".json" }

// SchemaText returns the content of an event's SchemaFile.
func SchemaText(e Event) ([]byte, error) {
	whole := *e.Data
	whole.Schema, whole.Title = "http://json-schema.org/draft-07/schema#", e.Type
	whole.Description = strings.TrimSpace(e.About + " " + e.Data.Description)
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(whole); err != nil {
		return nil, err
	}
	return text.Bytes(), nil
}

// Table returns the events as a table of Markdown, for a page next to the document.
func Table() string {
	var table strings.Builder
	table.WriteString("| event | stream | Orderflow | |\n|---|---|---|---|\n")
	for _, e := range Events() {
		names := "[`" + e.Type + "`](" + SchemaFile(e.Type) + ")"
		for _, alias := range e.Aliases {
			names += " or `" + alias + "`"
		}
		does := map[Direction]string{Receive: "reads", Send: "writes"}[e.Direction]
		fmt.Fprintf(&table, "| %s | `%s<%s>` | %s | %s |\n", names, e.Channel.Prefix, e.Channel.Parameter, does, e.About)
	}
	return table.String()
}
