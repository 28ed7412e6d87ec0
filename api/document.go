package main

import (
	_ "embed" // for the OpenAPI document
	"net/http"
)

//go:embed openapi.yaml
var document []byte

// getDocument serves the OpenAPI document.
func getDocument(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(document) // the client may have disconnected
	return nil
}
