package main

import (
	"context"
	_ "embed" // for the OpenAPI document
	"flag"
	"net/http"

	"orderflow/internal/subcommand"
)

//go:embed openapi.yaml
var document []byte

// getDocument serves the OpenAPI document.
func getDocument(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(document) // the client may have disconnected
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
