package ops

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"orderflow/internal/config"
	"orderflow/internal/version"
)

// Program is a daemon's binary. It has no subcommands: operators use the command
// orderflow.
type Program struct {
	Name    string
	Summary string // what it does until it is stopped
	Run     func(ctx context.Context, environ []string, stderr io.Writer) error
}

// Main runs the program in this process until SIGINT or SIGTERM, and returns its exit
// code.
func (p Program) Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return config.Report(os.Stderr, p.call(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

func (p Program) call(ctx context.Context, args, environ []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return p.Run(ctx, environ, stderr)
	}
	text := fmt.Sprintf("usage: %s [--help | --version]\n%s\n"+
		"Settings come from the environment; docs/configuration.md lists them.\n"+
		"Operators use the command orderflow.\n", p.Name, p.Summary)
	switch {
	case len(args) == 1 && (args[0] == "--help" || args[0] == "-h"):
	case len(args) == 1 && args[0] == "--version":
		text = p.Name + " " + version.Read().String() + "\n"
	default:
		return config.Invalid("arguments", "must be none, --help or --version: operators use the command orderflow")
	}
	_, err := io.WriteString(stdout, text)
	return err
}
