// Package transcript reads the recorded responses of a KurrentDB server and finds where
// two recordings differ. It owns the format of a recording: one JSON object per line,
// {"probe": name, "result": [{step: answer}, ...]}. It neither asks a server nor decides
// which differences matter.
package transcript

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
)

// maxLine bounds a line of a recording, in bytes. Long responses are recorded as digests.
const maxLine = 1 << 20

// Transcript holds the steps of one server, by the name of the probe.
type Transcript map[string][]Step

// Step is one recorded answer. A label that is repeated within its probe is numbered:
// "then", "then #2".
type Step struct {
	Label  string
	Answer any // as decoded by encoding/json
}

// Read reads a transcript from r. It returns an error if a line is malformed or a probe
// is repeated.
func Read(r io.Reader) (Transcript, error) {
	t := Transcript{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	for n := 1; lines.Scan(); n++ {
		if err := t.Add(lines.Bytes()); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read transcript: %w", err)
	}
	return t, nil
}

// Add adds one line.
func (t Transcript) Add(line []byte) error {
	var recorded struct {
		Probe  string           `json:"probe"`
		Result []map[string]any `json:"result"`
	}
	if err := json.Unmarshal(line, &recorded); err != nil {
		return err
	}
	if _, ok := t[recorded.Probe]; ok || recorded.Probe == "" {
		return fmt.Errorf("probe %q comes twice or has no name", recorded.Probe)
	}
	seen := map[string]int{}
	steps := make([]Step, 0, len(recorded.Result))
	for _, one := range recorded.Result {
		for label, answer := range one {
			seen[label]++
			if n := seen[label]; n > 1 {
				label = fmt.Sprintf("%s #%d", label, n)
			}
			steps = append(steps, Step{Label: label, Answer: wordless(answer)})
		}
	}
	t[recorded.Probe] = steps
	return nil
}

// wordless removes the wording of errors: only codes and trailers are compared. The few
// words by which package kurrent classifies errors are covered by its own tests, against
// a kurrentsim that sends them. For a call that timed out in the client, only the timeout
// is kept: whether it had reached the server by then is a matter of microseconds.
func wordless(answer any) any {
	switch answer := answer.(type) {
	case map[string]any:
		if answer["code"] == "DeadlineExceeded" {
			return map[string]any{"code": answer["code"]}
		}
		kept := make(map[string]any, len(answer))
		for key, value := range answer {
			if key != "text" && key != "message" && key != "reason" {
				kept[key] = wordless(value)
			}
		}
		return kept
	case []any:
		kept := make([]any, len(answer))
		for i, value := range answer {
			kept[i] = wordless(value)
		}
		return kept
	}
	return answer
}
