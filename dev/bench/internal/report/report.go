package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"orderflow/dev/bench/internal/measure"
)

// Report is one run of the benchmark.
type Report struct {
	Size      string     `json:"size"` // short or full
	Rounds    int        `json:"rounds"`
	Began     time.Time  `json:"began"`
	Seconds   float64    `json:"seconds"`
	Version   string     `json:"version"`
	Commit    string     `json:"commit,omitempty"`
	Machine   Machine    `json:"machine"`
	Servers   Servers    `json:"servers"`
	Settings  []string   `json:"settings,omitempty"` // variables that change the binaries' defaults
	Scenarios []Scenario `json:"scenarios"`
}

// Machine is where the benchmark ran.
type Machine struct {
	OS        string  `json:"os"`
	Arch      string  `json:"arch"`
	Processor string  `json:"processor,omitempty"`
	Cores     int     `json:"cores"`
	MemoryGiB float64 `json:"memoryGiB,omitempty"`
	Go        string  `json:"go"`
}

// Servers are the versions of the servers. KurrentDB is the version that kurrentsim
// presents, unless a real server was used.
type Servers struct {
	Temporal      string `json:"temporal"`
	Postgres      string `json:"postgres"`
	KurrentDB     string `json:"kurrentdb"`
	RealKurrentDB bool   `json:"realKurrentDB"`
}

// Scenario is the outcome of one scenario.
type Scenario struct {
	Name    string  `json:"name"`
	Title   string  `json:"title"`
	About   string  `json:"about"`
	Seconds float64 `json:"seconds"`
	Error   string  `json:"error,omitempty"` // it has no result then
	measure.Result
}

// Write writes the report as JSON. It replaces the file atomically.
func (r Report) Write(path string) error {
	body, err := r.encode()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("result: %w", err)
	}
	fresh := path + ".new"
	if err := os.WriteFile(fresh, body, 0o644); err != nil {
		return fmt.Errorf("result: %w", err)
	}
	if err := os.Rename(fresh, path); err != nil {
		return fmt.Errorf("result: %w", err)
	}
	return nil
}

// encode returns the report as JSON in which < and > are written as they are.
func (r Report) encode() ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(r); err != nil {
		return nil, fmt.Errorf("result: %w", err)
	}
	return b.Bytes(), nil
}

// Read reads a report that Write has written.
func Read(path string) (Report, error) {
	body, err := os.ReadFile(path)
	if err != nil {
		return Report{}, fmt.Errorf("result: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	var r Report
	if err := decoder.Decode(&r); err != nil {
		return Report{}, fmt.Errorf("result: %s: %w", path, err)
	}
	return r, nil
}
