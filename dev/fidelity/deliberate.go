package main

import (
	_ "embed"
	"fmt"
	"strings"

	"orderflow/dev/fidelity/internal/transcript"
)

// realVersion is the version of the real server whose transcript is embedded.
const realVersion = "24.10.14"

// realText is that transcript; testdata/README.md names its origin.
//
//go:embed testdata/real-24.10.14.jsonl
var realText string

func realTranscript() (transcript.Transcript, error) {
	real, err := transcript.Read(strings.NewReader(realText))
	if err != nil {
		return nil, fmt.Errorf("transcript of the real server: %w", err)
	}
	return real, nil
}

// reasons are why kurrentsim's answer differs from the real server's, by what differs.
type reasons map[transcript.Key]string

// deliberate are the intended differences between kurrentsim and the real server.
func deliberate() reasons {
	return reasons{
		{Probe: "server.features", Step: "methods"}: "kurrentsim lists the services it has: no monitoring, redaction, users or operations over " +
			"gRPC, and of projections only what asks for their status or switches them",
		{Probe: "follow.odd_position", Step: "at first"}: "the position after an event's is that of a projection's link to it, which one may follow from; " +
			"a position that is none is refused as on a real server",
		{Probe: "server.unreachable", Step: "second"}: "no server is asked: the client says since v1.4.2 why it was closed, and the transcript " +
			"was recorded with v1.4.0",
	}
}
