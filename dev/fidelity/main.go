// Command fidelity compares how kurrentsim, or any other server, behaves with what a real KurrentDB did: the same questions are
// asked as when its transcript was recorded, and every answer that differs is a fault unless it is listed here as deliberate.
//
//	fidelity --kurrentsim .local/bin/kurrentsim
//	fidelity --url 'kurrentdb://127.0.0.1:2113?tls=false' --out transcript.jsonl
//
// A server that another started must hold no streams of users, for the questions leave streams behind, unless --throwaway says
// that nothing in it is needed. Its version may be another than that of the transcript: differences are listed then.
//
// It prints the differences on standard output and all else on standard error. It exits with 0 if there are none but
// deliberate ones, 1 if there are or if no server answers, and 2 on bad arguments.
//
// This package owns the transcript of the real server, the deliberate differences, the start of kurrentsim and the report. The questions are
// left to internal/probe, and finding where two transcripts differ to internal/transcript.
package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"os/signal"
	"syscall"

	"orderflow/internal/config"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
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
