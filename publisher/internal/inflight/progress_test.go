package inflight

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestProgress_ReachesOnlyContiguousCompletions(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var p progress
		var open []sequence               // incomplete versions
		before := map[sequence][]uint64{} // positions behind an incomplete version
		var position, last uint64         // the source's position, the last reached position
		for range rapid.IntRange(1, 400).Draw(t, "steps") {
			switch rapid.IntRange(0, 2).Draw(t, "step") {
			case 0:
				open = append(open, p.add(1, time.Unix(int64(len(before)), 0)))
			case 1:
				position += uint64(rapid.IntRange(1, 3).Draw(t, "distance"))
				p.reach(position)
				for _, waiting := range open {
					before[waiting] = append(before[waiting], position)
				}
			case 2:
				if len(open) == 0 {
					continue
				}
				i := rapid.IntRange(0, len(open)-1).Draw(t, "which")
				p.complete(open[i])
				open = slices.Delete(open, i, i+1)
			}
			require.GreaterOrEqual(t, p.reached, last, "it never moves back")
			last = p.reached
			for _, waiting := range open {
				for _, behind := range before[waiting] {
					require.Less(t, p.reached, behind, "no position behind an incomplete version is reached")
				}
			}
			if len(open) == 0 {
				require.Equal(t, position, p.reached, "with everything complete the head is reached")
				require.Empty(t, p.entries, "nothing is kept")
			}
		}
	})
}

func TestProgress_KeepsOnePositionPerIncompleteVersion(t *testing.T) {
	t.Parallel()
	var p progress
	first := p.add(1, time.Now())
	for position := range uint64(100_000) {
		p.reach(position)
	}
	require.Len(t, p.entries, 2)
	p.complete(first)
	require.EqualValues(t, 99_999, p.reached)
}

func TestProgress_OldestIsTheFirstIncompleteVersion(t *testing.T) {
	t.Parallel()
	var p progress
	_, ok := p.oldest()
	require.False(t, ok)
	a, b := p.add(1, time.Unix(1, 0)), p.add(1, time.Unix(2, 0))
	p.complete(b)
	since, ok := p.oldest()
	require.True(t, ok)
	require.Equal(t, time.Unix(1, 0), since)
	p.complete(a)
	_, ok = p.oldest()
	require.False(t, ok)
}
