package projection

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/kurrent"
	"orderflow/internal/postgres"
	"orderflow/internal/view"
)

func TestGatherer_StoresEachStepOnceAndInOrder(t *testing.T) {
	t.Parallel()
	const events, limit = 500, 10
	for name, whole := range map[string]bool{"for a rebuild": true, "for the live view": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			steps, batches := make(chan step, events+1), make(chan batch)
			for i := range uint64(events) {
				steps <- step{position: kurrent.Position{Commit: i + 1}, change: &view.Change{}, written: time.Unix(int64(i), 0)}
			}
			steps <- step{position: kurrent.Position{Commit: events + 1}} // changes nothing
			close(steps)
			go func() {
				defer close(batches)
				gatherer{steps: steps, batches: batches, limit: limit, whole: whole}.run(postgres.ViewPosition{})
			}()
			var sizes []int
			var last batch
			changes := 0
			for b := range batches {
				require.Greater(t, b.to.Commit, last.to.Commit)
				changes += len(b.changes)
				require.EqualValues(t, min(changes, int(b.to.Commit)), changes, "the position is that of the last step")
				sizes, last = append(sizes, len(b.changes)), b
			}
			require.Equal(t, events, changes)
			require.EqualValues(t, events+1, last.to.Commit)
			require.LessOrEqual(t, sizes[0], limit)
			if whole {
				require.Equal(t, []int{limit, 2 * limit, 4 * limit}, sizes[:3])
			}
		})
	}
}

// The log pauses after a burst that fills no batch.
func TestGatherer_StoresPartialBatchWhileTheLogPauses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		steps, batches := make(chan step), make(chan batch)
		go gatherer{steps: steps, batches: batches, limit: maxBatch, whole: true}.run(postgres.ViewPosition{})
		for commit := range uint64(3) {
			<-time.After(10 * maxGather) // of the bubble's clock
			steps <- step{position: kurrent.Position{Commit: commit + 1}, written: time.Now()}
			read := time.Now()

			b := <-batches // else the test ends in a deadlock

			require.Equal(t, commit+1, b.to.Commit)
			require.Equal(t, maxGather, time.Since(read), "of the bubble's clock")
		}
		close(steps)
	})
}
