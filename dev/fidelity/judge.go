package main

import (
	"maps"
	"slices"
	"strings"

	"orderflow/dev/fidelity/internal/transcript"
)

// verdict is the result of a comparison with the real server.
type verdict struct {
	compared int                     // probes
	found    []transcript.Difference // not deliberate
	ended    []transcript.Key        // listed as deliberate, and no longer different
	accepted int                     // deliberate differences
}

// judge compares the two transcripts, in the order of the probes' names. A probe that the
// real transcript lacks does not count.
func judge(real, got transcript.Transcript, meant reasons) verdict {
	v := verdict{}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		want, ok := real[name]
		if !ok {
			continue
		}
		v.compared++
		differs := map[transcript.Key]bool{}
		for _, d := range transcript.Compare(name, want, got[name]) {
			differs[d.Key] = true
			if _, ok := meant[d.Key]; ok {
				v.accepted++
				continue
			}
			v.found = append(v.found, d)
		}
		for key := range meant {
			if key.Probe == name && !differs[key] {
				v.ended = append(v.ended, key)
			}
		}
	}
	slices.SortFunc(v.ended, func(a, b transcript.Key) int { return strings.Compare(a.String(), b.String()) })
	return v
}

// probes returns the names of the probes that neither answer like the real server nor
// differ deliberately.
func (v verdict) probes() []string {
	var names []string
	for _, d := range v.found {
		names = append(names, d.Probe)
	}
	for _, key := range v.ended {
		names = append(names, key.Probe)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
