package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.temporal.io/sdk/client"

	"orderflow/workflows"
)

// Two processes have tasks of their own: one compares the stores, the other is an api with
// tokens, which the workload does not use.
const (
	comparing = "worker-3"
	guarded   = "api-3"
)

// compareEvery is the interval of the schedule in real operation, divided as the rules are.
const compareEvery = time.Minute

// special restarts the two processes with settings of their own.
func (s *session) special(ctx context.Context) error {
	if err := s.writeTokens(); err != nil {
		return err
	}
	return errors.Join(s.rig.Process(comparing).Restart(ctx, s.own(comparing)), s.rig.Process(guarded).Restart(ctx, s.own(guarded)))
}

// own returns the settings of a process that the others do not have.
func (s *session) own(process string) map[string]string {
	switch process {
	case comparing:
		return map[string]string{"WORKER_QUEUES": workflows.ReconcileTaskQueue}
	case guarded:
		return map[string]string{"API_TOKENS_FILE": s.tokensFile()}
	default:
		return nil
	}
}

func (s *session) tokensFile() string { return filepath.Join(s.dir, "api-tokens") }

func (s *session) writeTokens() error {
	return os.WriteFile(s.tokensFile(), fmt.Appendf(nil, "support read %x\n", sha256.Sum256([]byte("a token"))), 0o600)
}

// compare starts a comparison of the stores every minute until ctx is done. One that is due
// while another runs is skipped, as by the schedule.
func (s *session) compare(ctx context.Context) {
	tick := time.NewTicker(compareEvery)
	defer tick.Stop()
	for {
		starting, cancel := context.WithTimeout(ctx, queryTimeout)
		_, _ = s.stores.Temporal.ExecuteWorkflow(starting, client.StartWorkflowOptions{ // it fails while Temporal is down
			ID: "reconcile", TaskQueue: workflows.ReconcileTaskQueue,
		}, workflows.ReconciliationType, workflows.ReconciliationInput{})
		cancel()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
