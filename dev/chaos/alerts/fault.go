package main

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"orderflow/dev/chaos/internal/rig"
)

// fault is one thing that breaks.
type fault struct {
	name  string
	about string
	begin func(ctx context.Context, s *session) (heal func(context.Context) error, err error)
	fires []string // alerts that must fire
	may   []string // further ones that may, because they depend on when it breaks; slow too
}

// slow are the alerts about how long orders, emails and comparisons take, which any fault
// may cause: they look at the past minutes, and five minutes of a group's lag are five
// seconds here, which an order may need to respond on a busy machine. A comparison whose
// task was lost begins again after its heartbeat timeout of two minutes, and its alert
// fires after two and a half.
func slow() []string {
	return append(lingering(), "OrderflowGroupLag", "OrderflowEmailsSlow", "OrderflowEmailsUnknown", "OrderflowReconciliationOverdue")
}

// lingering are the alerts of slow that look at the past 10 and 30 minutes, and fire long
// after the repair. The next fault begins meanwhile, unless it demands one of them.
func lingering() []string { return []string{"OrderflowStartsSlow", "OrderflowConfirmationsSlow"} }

func (f fault) demands(name string) bool { return slices.Contains(f.fires, name) }

// clears reports whether an alert has to clear before the next fault.
func (f fault) clears(name string) bool {
	return f.demands(name) || !slices.Contains(lingering(), name)
}

// allows reports whether an alert is no surprise.
func (f fault) allows(alert string) bool {
	return slices.Contains(slices.Concat(f.fires, f.may, slow()), alert)
}

// faults returns the table.
func faults() []fault {
	return slices.Concat(processFaults(), storeFaults(), orderFaults(), emailFaults(), publisherFaults())
}

func processFaults() []fault {
	return []fault{
		{"one-worker-down", "one of two workers of orders is down", down("worker-1"), []string{"OrderflowProcessDown"}, []string{"OrderflowCountsMissing"}},
		{"workers-down", "no worker of orders runs, only the one that compares the stores", down("worker-1", "worker-2"),
			[]string{"OrderflowProcessDown", "OrderflowProcessMissing", "OrderflowCountsMissing"}, nil},
		{"starters-down", "no starter runs", down("starter-1", "starter-2"), []string{"OrderflowProcessDown", "OrderflowProcessMissing"}, nil},
		{"publishers-down", "no publisher runs", down("publisher-1"),
			[]string{"OrderflowProcessDown", "OrderflowProcessMissing"}, []string{"OrderflowPublisherLag"}},
		{"projectors-down", "no projector runs", down("projector-1"),
			[]string{"OrderflowProcessDown", "OrderflowProcessMissing"}, []string{"OrderflowProjectorLag"}},
		{"apis-down", "no api runs", down("api-1", "api-2", guarded), []string{"OrderflowProcessDown", "OrderflowProcessMissing"}, nil},
		{"starter-crashes", "a starter dies again and again", crashLoop("starter-1"), []string{"OrderflowProcessRestarting"}, []string{"OrderflowProcessDown", "OrderflowReplicaNotReady"}},
		{"comparing-worker-down", "the worker that compares the stores is down", down(comparing),
			[]string{"OrderflowProcessDown", "OrderflowReconciliationOverdue"}, nil},
		{"tokens-invalid", "the file of the api's tokens has a line that is no token", tokensInvalid, []string{"OrderflowAPIStaleFile"}, nil},
	}
}

// down stops processes until the repair.
func down(names ...string) func(context.Context, *session) (func(context.Context) error, error) {
	return func(ctx context.Context, s *session) (func(context.Context) error, error) {
		for _, name := range names {
			if err := s.rig.Process(name).Stop(ctx); err != nil {
				return nil, err
			}
		}
		return func(ctx context.Context) error {
			var failures []error
			for _, name := range names {
				failures = append(failures, s.rig.Process(name).Start(ctx, s.own(name)))
			}
			return errors.Join(failures...)
		}, nil
	}
}

func tokensInvalid(_ context.Context, s *session) (func(context.Context) error, error) {
	return func(context.Context) error { return s.writeTokens() }, os.WriteFile(s.tokensFile(), []byte("support everything\n"), 0o600)
}

func crashLoop(name string) func(context.Context, *session) (func(context.Context) error, error) {
	return func(ctx context.Context, s *session) (func(context.Context) error, error) {
		p := s.rig.Process(name)
		for range 4 {
			started := s.metrics.restarted(s.rig.OpsAddress(name))
			if err := errors.Join(started(ctx), p.Kill(ctx), p.AwaitReady(ctx), until(ctx, time.Minute, started)); err != nil {
				return nil, err
			}
		}
		return p.AwaitReady, nil
	}
}

// hanging lets nothing through on the edges to a store, from all binaries or from one.
func hanging(from, store string) func(context.Context, *session) (func(context.Context) error, error) {
	return func(ctx context.Context, s *session) (func(context.Context) error, error) {
		toxic := rig.Toxic{Name: "hang", Type: "timeout", Stream: rig.Upstream, Attributes: map[string]int{"timeout": 0}}
		var edges []*rig.Edge
		for _, name := range s.rig.Edges() {
			if e := s.rig.Edge(name); e.To == store && (from == "" || e.From == from || strings.HasPrefix(e.From, from+"-")) {
				edges = append(edges, e)
			}
		}
		for _, e := range edges {
			if err := e.Add(ctx, toxic); err != nil {
				return nil, err
			}
		}
		return func(ctx context.Context) error {
			var failures []error
			for _, e := range edges {
				failures = append(failures, e.Remove(ctx, toxic.Name))
			}
			return errors.Join(failures...)
		}, nil
	}
}
