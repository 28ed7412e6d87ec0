// Command module changes the module path of the repository: MODULE becomes the path in
// go.mod, in the go.mod files of tools and examples, in every import, in the import rules
// of the linter and in the patches of known bugs. Run it once, when the place is known
// where the project will live.
package main

import (
	"errors"
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "module:", err)
		os.Exit(1)
	}
}

// run takes the folder of the repository and the new path.
func run(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: module FOLDER MODULE, such as module . example.com/team/orderflow")
	}
	return rename(args[0], args[1])
}
