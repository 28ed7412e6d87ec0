// Docs writes docs/performance.md and its charts from the result of a benchmark that is
// kept next to it.
//
//	docs                                     # from docs/performance.json
//	docs --result .local/bench/result.json   # which becomes docs/performance.json
package main

import (
	"errors"
	"flag"
	"io"
	"os"

	"orderflow/dev/bench/internal/page"
	"orderflow/dev/flags"
	"orderflow/internal/config"
)

func main() { os.Exit(config.Report(os.Stderr, run(os.Args[1:], os.Stdout))) }

func run(args []string, stdout io.Writer) error {
	set := flags.New("docs")
	folder := set.String("docs", "docs", "`folder` of the documentation")
	result := set.String("result", "", "`file` with the result of another benchmark to show")
	err := set.ReadArguments(args, stdout, "docs writes docs/performance.md and its charts from a benchmark's result.\n", func() {})
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	return page.Update(*folder, *result)
}
