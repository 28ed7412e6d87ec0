package report

import (
	"os"
	"runtime"
	"strconv"
	"strings"
)

// ThisMachine describes this machine. What only Linux reports is empty elsewhere.
func ThisMachine() Machine {
	return Machine{
		OS: runtime.GOOS, Arch: runtime.GOARCH, Processor: field("/proc/cpuinfo", "model name"), Cores: runtime.NumCPU(),
		MemoryGiB: gibibytes(field("/proc/meminfo", "MemTotal")), Go: runtime.Version(),
	}
}

// field returns the first value of a name in a file of /proc, or "" if there is none.
func field(path, name string) string {
	body, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.SplitSeq(string(body), "\n") {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// gibibytes returns a size such as "24601320 kB" in GiB, with one decimal.
func gibibytes(size string) float64 {
	kib, err := strconv.ParseFloat(strings.TrimSuffix(size, " kB"), 64)
	if err != nil {
		return 0
	}
	return float64(int(kib/(1<<20)*10+0.5)) / 10
}
