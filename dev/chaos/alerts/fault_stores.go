package main

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"orderflow/dev/chaos/internal/rig"
)

func storeFaults() []fault {
	checks, one := "OrderflowCheckFailing", "OrderflowReplicaNotReady" // replicas recover one after the other
	return []fault{
		{"kurrentdb-down", "KurrentDB is down", down(rig.KurrentDB), []string{checks},
			[]string{one, "OrderflowAPIErrors", "OrderflowCountsMissing", "OrderflowNoLeader", "OrderflowPublisherLag", "OrderflowProjectorLag", "OrderflowCategoryWaiting"}},
		{"temporal-down", "Temporal is down", down(rig.Temporal), []string{checks},
			[]string{one, "OrderflowCountsMissing", "OrderflowWorkflowTasksFailing", "OrderflowAPIErrors"}},
		{"postgres-down", "PostgreSQL is down", down(rig.Postgres), []string{checks, "OrderflowNoLeader", "OrderflowAPIErrors"},
			[]string{one, "OrderflowCountsMissing", "OrderflowPoolExhausted", "OrderflowEmailsFailing", "OrderflowPublisherLag", "OrderflowProjectorLag"}},
		{"ses-down", "SES is down", down(rig.SES), []string{"OrderflowEmailsFailing"}, nil},
		{"kurrentdb-hangs", "KurrentDB accepts connections and does not respond", hanging("", rig.KurrentDB), []string{checks},
			[]string{one, "OrderflowAPIErrors", "OrderflowCountsMissing", "OrderflowNoLeader", "OrderflowPublisherLag", "OrderflowProjectorLag", "OrderflowCategoryWaiting"}},
		{"temporal-hangs", "Temporal accepts connections and does not respond", hanging("", rig.Temporal), []string{checks, "OrderflowGroupLag"},
			[]string{one, "OrderflowCountsMissing", "OrderflowWorkflowTasksFailing", "OrderflowAPIErrors"}},
		{"postgres-hangs", "PostgreSQL accepts connections and does not respond", hanging("", rig.Postgres), []string{checks, "OrderflowAPIErrors"},
			[]string{one, "OrderflowCountsMissing", "OrderflowPoolExhausted", "OrderflowEmailsFailing", "OrderflowPublisherLag", "OrderflowProjectorLag", "OrderflowNoLeader"}},
		{"postgres-locked", "a session holds a lock on the orders' rows", locked, []string{"OrderflowPoolExhausted", "OrderflowAPIErrors"},
			[]string{one, checks, "OrderflowCountsMissing", "OrderflowEmailsFailing", "OrderflowPublisherLag", "OrderflowProjectorLag", "OrderflowNoLeader"}},
		{"postgres-read-only", "the name of PostgreSQL leads to a standby", temporary((*rig.Rig).LeadToStandby), []string{checks},
			[]string{one, "OrderflowCountsMissing", "OrderflowPoolExhausted", "OrderflowEmailsFailing", "OrderflowPublisherLag", "OrderflowProjectorLag", "OrderflowNoLeader", "OrderflowAPIErrors"}},
		{"postgres-hangs-for-one", "PostgreSQL does not respond to one worker of orders", hanging("worker-1", rig.Postgres), []string{one},
			[]string{"OrderflowCountsMissing", "OrderflowPoolExhausted", "OrderflowEmailsFailing"}},
		{"group-changed", "the group delivers links in place of events", temporary((*rig.Rig).UnlinkGroup), []string{"OrderflowBridgeBlocked", checks},
			[]string{one}},
		{"projection-stopped", "the projection $by_category is stopped", temporary((*rig.Rig).StopProjection),
			[]string{"OrderflowBridgeBlocked", "OrderflowProjectionStopped", "OrderflowCategoryWaiting", checks}, []string{one}},
	}
}

// temporary starts a fault of the rig. Its repair ends it.
func temporary(do func(*rig.Rig, context.Context, time.Duration) error) func(context.Context, *session) (func(context.Context) error, error) {
	return func(ctx context.Context, s *session) (func(context.Context) error, error) {
		breaking, end := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- do(s.rig, breaking, 2*fireTimeout) }()
		return func(ctx context.Context) error {
			end()
			select {
			case err := <-done:
				return err
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}, nil
	}
}

// crowd is more requests at once than an api has connections.
const crowd = 60

// locked locks the orders' rows, while many ask for orders.
func locked(ctx context.Context, s *session) (func(context.Context) error, error) {
	conn, err := pgx.Connect(ctx, s.rig.DatabaseURL())
	if err != nil {
		return nil, err
	}
	asking, end := context.WithCancel(ctx)
	for n := range crowd {
		go func() {
			for asking.Err() == nil {
				s.ask(asking, s.apis[n%len(s.apis)])
			}
		}()
	}
	heal := func(ctx context.Context) error {
		end()
		return conn.Close(ctx)
	}
	_, err = conn.Exec(ctx, "BEGIN; LOCK TABLE order_fulfillment IN ACCESS EXCLUSIVE MODE")
	return heal, err
}
