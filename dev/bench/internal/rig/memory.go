package rig

import (
	"fmt"
	"os"
	"strings"
)

// Memory returns the resident size of a running process now and at its peak, in MiB. Only
// Linux reports it.
func (p *Program) Memory() (now, peak float64, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID))
	if err != nil {
		return 0, 0, fmt.Errorf("memory of %s: %w", p.name, err)
	}
	if now, err = mebibytes(string(status), "VmRSS:"); err != nil {
		return 0, 0, fmt.Errorf("memory of %s: %w", p.name, err)
	}
	peak, err = mebibytes(string(status), "VmHWM:")
	return now, peak, err
}

func mebibytes(status, field string) (float64, error) {
	_, line, _ := strings.Cut(status, field)
	var kib float64
	if _, err := fmt.Sscan(line, &kib); err != nil {
		return 0, fmt.Errorf("%s %w", field, err)
	}
	return kib / 1024, nil
}
