package load

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/kurrent"
)

func TestOutbox_Since(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, time.January, 1, 12, 0, 0, 0, time.UTC)
	o := newOutbox()
	event := func(eventType string, at time.Time) appended {
		return appended{kurrent.NoStream(), kurrent.NewEvent{Type: eventType}, at}
	}
	o.appended["order-1"] = []appended{event("order-placed", noon.Add(-time.Second)), event("order-paid", noon), event("order-paid", noon.Add(time.Second))}
	o.appended["order-2"] = []appended{event("order-placed", noon.Add(-time.Second))}
	require.Equal(t, map[string][]appended{"order-1": o.appended["order-1"][1:]}, o.since(noon))
}
