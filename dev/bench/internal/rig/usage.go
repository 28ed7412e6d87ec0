package rig

import (
	"context"
	"fmt"
	"os"
	"strconv"
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
	err = p.await(ctx, scrapePoll, func() error {
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

// clockTicks is how many ticks a second the kernel counts processor time in, in what it
// shows to processes (USER_HZ).
const clockTicks = 100

// TemporalTime returns the processor time that the Temporal server has taken since it was
// started.
func (r *Rig) TemporalTime() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", r.temporal.server.PID))
	if err != nil {
		return 0, fmt.Errorf("processor time of Temporal: %w", err)
	}
	_, afterName, _ := strings.Cut(string(stat), ") ") // proc_pid_stat(5): utime and stime are the fields 14 and 15
	fields := strings.Fields(afterName)
	if len(fields) < 13 {
		return 0, fmt.Errorf("processor time of Temporal: %q", stat)
	}
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("processor time of Temporal: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / clockTicks, nil
}
