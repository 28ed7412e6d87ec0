package stack

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestStopOrder_CoversAllPartsWithin30Seconds(t *testing.T) {
	t.Parallel()
	var total time.Duration
	var names []string
	for _, turn := range stopOrder() {
		total += turn.grace
		names = append(names, turn.names...)
	}
	require.LessOrEqual(t, total, 30*time.Second)
	require.ElementsMatch(t, []string{
		postgresPart, temporalPart, kurrentsimPart, sessimPart, workerPart, nextWorkerPart, starterPart, publisherPart, projectorPart, apiPart,
	}, names)
}
