package main

import (
	_ "embed"
	"fmt"
	"strings"

	"orderflow/deploy/fidelity/internal/transcript"
)

// realVersion is the version of the real server whose transcript is embedded.
const realVersion = "24.10.14"

// realText is that transcript; testdata/README.md names its origin.
//
//go:embed testdata/real-24.10.14.jsonl
var realText string

// pendingText has a line `probe: step` for every difference that is a fault of kurrentsim still to be repaired.
//
//go:embed testdata/pending.txt
var pendingText string

func realTranscript() (transcript.Transcript, error) {
	real, err := transcript.Read(strings.NewReader(realText))
	if err != nil {
		return nil, fmt.Errorf("transcript of the real server: %w", err)
	}
	return real, nil
}

// deliberate are the differences between kurrentsim and the real server that are meant to be, with the reason of each.
func deliberate() map[transcript.Key]string {
	return map[transcript.Key]string{
		{Probe: "server.features", Step: "methods"}: "kurrentsim lists the services it has: no monitoring, redaction, users or operations over " +
			"gRPC, no batch append, and of projections only what asks for their state or switches them",
	}
}

// known are the differences of kurrentsim that do not fail.
type known map[transcript.Key]kind

type kind string

const (
	deliberately kind = "deliberate"
	pending      kind = "pending"
)

// knownDifferences joins the two lists. It returns an error if a difference comes twice in them or a line is malformed.
func knownDifferences() (known, error) {
	k := known{}
	for key := range deliberate() {
		k[key] = deliberately
	}
	for line := range strings.Lines(pendingText) {
		line = strings.TrimSuffix(line, "\n")
		probe, step, ok := strings.Cut(line, ": ")
		key := transcript.Key{Probe: probe, Step: step}
		if _, twice := k[key]; !ok || twice {
			return nil, fmt.Errorf("pending differences: %q is in the lists already or no `probe: step`", line)
		}
		k[key] = pending
	}
	return k, nil
}
