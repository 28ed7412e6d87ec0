// Dist checks a folder that build.sh has made: that its checksums are right, and that each
// program is static, keeps the paths of the machine that built it to itself, prints its
// version, and has an SBOM that lists the modules in it. Whether two builds yield the same
// bytes is left to check.sh.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// release is a folder and what its programs must be.
type release struct {
	dir               string
	version, revision string
	hidden            []string // folders of which no program may contain a path
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var r release
	set := flag.NewFlagSet("dist", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.StringVar(&r.version, "version", "", "the version that every program must print")
	set.StringVar(&r.revision, "revision", "", "the commit that every program must print")
	set.Func("hidden", "a folder of which no program may contain a path; repeatable", func(folder string) error {
		if len(folder) > 1 { // a home folder of / is in every program
			r.hidden = append(r.hidden, folder)
		}
		return nil
	})
	if err := set.Parse(args); err != nil {
		return err
	}
	if set.NArg() != 1 || r.version == "" {
		return errors.New("usage: dist --version VERSION [flags] FOLDER")
	}
	r.dir = set.Arg(0)
	n, err := r.check(ctx)
	if err == nil {
		_, err = fmt.Fprintf(stdout, "dist: %d programs of %s are static, complete and say so\n", n, r.version)
	}
	return err
}

// check returns how many programs it checked, and every fault it found.
func (r release) check(ctx context.Context) (int, error) {
	errs := []error{checkSums(r.dir)}
	boms, err := filepath.Glob(filepath.Join(r.dir, "*", "*"+bomSuffix))
	if err != nil || len(boms) == 0 {
		return 0, errors.Join(err, fmt.Errorf("%s has no *%s", r.dir, bomSuffix))
	}
	for _, bom := range boms {
		program := strings.TrimSuffix(bom, bomSuffix)
		for _, err := range []error{
			checkStatic(program), checkHidden(program, r.hidden), checkModules(program, bom), r.checkVersion(ctx, program),
		} {
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", program, err))
			}
		}
	}
	return len(boms), errors.Join(errs...)
}
