package main

import (
	"os"

	"orderflow/internal/ops"
)

func main() {
	os.Exit(ops.Program{Name: "publisher", Summary: "Publish fulfillment changes from PostgreSQL to KurrentDB until stopped.", Run: run}.Main())
}
