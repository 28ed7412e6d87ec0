package rig

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

// Memory is the memory of a process, in MiB.
type Memory struct {
	Resident float64
	Peak     float64 // of the resident memory
	Heap     float64 // live objects of Go, and what has been allocated since the last collection
}

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

// SettledMemory returns the memory of a process that has nothing to do, after a garbage
// collection that ended after the call. Go collects an idle process every two minutes.
func (p *Program) SettledMemory(ctx context.Context) (m Memory, err error) {
	called := float64(time.Now().UnixMicro()) / 1e6
	err = p.await(ctx, func() error {
		collected, err := p.Metric(ctx, "go_memstats_last_gc_time_seconds")
		if err == nil && collected < called {
			err = fmt.Errorf("no garbage was collected for %.0f s", called-collected)
		}
		return err
	})
	if err != nil {
		return Memory{}, err
	}
	if m.Heap, err = p.Metric(ctx, "go_memstats_heap_alloc_bytes"); err != nil {
		return Memory{}, err
	}
	m.Heap /= 1 << 20
	m.Resident, m.Peak, err = p.Memory()
	return m, err
}

func mebibytes(status, field string) (float64, error) {
	_, line, _ := strings.Cut(status, field)
	var kib float64
	if _, err := fmt.Sscan(line, &kib); err != nil {
		return 0, fmt.Errorf("%s %w", field, err)
	}
	return kib / 1024, nil
}
