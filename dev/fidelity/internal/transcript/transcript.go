// Package transcript reads the recorded answers of a KurrentDB server and finds where two recordings differ. It owns the form
// of a recording: one JSON object a line, {"probe": name, "result": [{step: answer}, ...]}. Asking, and which differences
// matter, are left to others.
package transcript

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
)

// maxLine bounds a line of a recording, in bytes. Long answers are digests in it.
const maxLine = 1 << 20

// Transcript is what one server did, by the name of the probe.
type Transcript map[string][]Step

// Step is one recorded answer. A label that comes again within its probe has its number: "then", "then #2".
type Step struct {
	Label  string
	Answer any // as encoding/json decodes it
}

// Read returns the transcript that r holds. It returns an error if a line is malformed or a probe comes twice.
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

// Add takes one line in.
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

// wordless leaves out the wording of errors: codes and trailers are what is compared. The few words that package kurrent tells
// errors by are held by its own tests, against a kurrentsim that sends them. Of a call whose time ran out in the client, only that
// is left: whether it had reached the server by then is a matter of microseconds.
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
