package main

import (
	"os"

	"orderflow/internal/ops"
)

func main() {
	os.Exit(ops.Program{Name: "starter", Summary: "Start the workflows of orders placed in KurrentDB until stopped.", Run: run}.Main())
}
