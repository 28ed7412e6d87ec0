package rig

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
)

// answers are what a server says to one look after the other.
type answers []string

func (a *answers) CountWorkflow(
	context.Context, *workflowservice.CountWorkflowExecutionsRequest,
) (*workflowservice.CountWorkflowExecutionsResponse, error) {
	said := (*a)[0]
	*a = (*a)[1:]
	if said == "" {
		return &workflowservice.CountWorkflowExecutionsResponse{}, nil
	}
	return nil, errors.New(said)
}

func TestTendTemporal(t *testing.T) {
	t.Parallel()
	const stuck = "GetNamespace operation failed. Error interrupted (9)"
	const lost = "Namespace default is not found."
	for name, c := range map[string]struct {
		said  answers
		kills int
	}{
		"starts a server again whose database is stuck": {answers{stuck, stuck, stuck, "", stuck, stuck, stuck}, 2},
		"starts a server again that lost its namespace": {answers{stuck, lost, lost, ""}, 1},
		"leaves a server alone that comes to itself":    {answers{stuck, stuck, "", stuck, stuck, ""}, 0},
		"leaves outages to the faults":                  {answers{"unavailable", "unavailable", "unavailable", "unavailable"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, _ := supervised(t)
			require.NoError(t, p.Start(t.Context(), nil))
			r, looks, over := &Rig{processes: map[string]*Process{Temporal: p}}, make(chan time.Time), make(chan struct{})
			ctx, end := context.WithCancel(t.Context())
			go func() {
				defer close(over)
				r.tendTemporal(ctx, looks, &c.said, t.Logf)
			}()
			for range c.said {
				looks <- time.Now()
				require.NoError(t, p.AwaitReady(t.Context()))
			}
			if c.kills > 0 {
				_, err := p.AwaitDeathAfter(t.Context(), c.kills-1)
				require.NoError(t, err)
			}
			end()
			<-over
			require.Len(t, p.Deaths(), c.kills)
		})
	}
}
