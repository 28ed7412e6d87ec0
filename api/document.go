package main

import (
	"context"
	_ "embed" // of the document
	"flag"
	"net/http"

	"orderflow/internal/subcommand"
)

//go:embed openapi.yaml
var document []byte

// getDocument answers with the description of everything the api answers to.
func getDocument(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(document) // a client that has gone needs no answer
	return nil
}

func program() subcommand.Program {
	return subcommand.Program{Name: "api", Summary: "answer HTTP requests until it is stopped", Commands: []subcommand.Command{
		{Name: "openapi", Summary: "print the OpenAPI document", Run: printDocument},
	}}
}

func printDocument(_ context.Context, c subcommand.Call) error {
	if _, err := c.Parse(flag.NewFlagSet(c.Name, flag.ContinueOnError)); err != nil {
		return err
	}
	_, err := c.Stdout.Write(document)
	return err
}
