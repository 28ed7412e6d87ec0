// Command fidelity compares the behavior of kurrentsim, or any other server, with that of
// a real KurrentDB. It asks the same questions as when the transcript of the real server
// was recorded. Every answer that differs is a fault unless it is listed here as
// deliberate.
//
//	fidelity --kurrentsim .local/bin/kurrentsim
//	fidelity --url 'kurrentdb://127.0.0.1:2113?tls=false' --out transcript.jsonl
//
// An external server must hold no streams of users, because the questions leave streams
// behind, unless --throwaway says that its data is not needed. If its version is not that
// of the transcript, differences are only listed.
//
// It prints the differences on standard output and everything else on standard error.
// Exit codes: 0, there are no differences except deliberate ones; 1, there are, or no
// server responds; 2, invalid arguments.
//
// This package owns the transcript of the real server, the deliberate differences, the
// start of kurrentsim and the report. Package internal/probe asks the questions, and
// package internal/transcript compares transcripts.
package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"os"

	"orderflow/dev/programs"
	"orderflow/internal/config"
)

func main() {
	ctx, stop := programs.Context()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(config.Report(os.Stderr, err))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseOptions(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	real, err := realTranscript()
	if err != nil {
		return err
	}
	s := &session{options: o, real: real, meant: deliberate(), stdout: stdout, stderr: stderr}
	return s.run(ctx)
}
