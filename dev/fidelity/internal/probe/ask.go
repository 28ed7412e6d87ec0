package probe

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/shared"
	"google.golang.org/grpc"
)

// Options say which server is asked, and how.
type Options struct {
	URL      string // connection string; its user is the administrator, for a server with TLS
	Second   Credentials
	Quiet    time.Duration // minimum length of a silence
	Parallel int           // probes at the same time; at least 1
	Answered func(Answer)  // called after each probe, in the order of the names; may be nil
}

// Credentials are those of the user without rights that the access. probes need. Without
// a name those probes are skipped.
type Credentials struct{ Name, Password string }

// Answer is the result of one probe.
type Answer struct {
	Probe  string
	Line   []byte   // {"probe": name, "result": [{step: answer}, ...]}, without a newline
	Faults []string // what went wrong with the probe itself
	Took   time.Duration
}

// Names returns the names of all probes in the order in which they are asked.
func Names() []string {
	var names []string
	for _, pr := range probes() {
		names = append(names, pr.name)
	}
	return names
}

// Ask runs the named probes and returns their results in order. It returns an error if no
// server responds at all or ctx is done; a server that fails later shows in the results.
func Ask(ctx context.Context, o Options, names []string) ([]Answer, error) {
	config, err := kurrentdb.ParseConnectionString(o.URL)
	if err != nil {
		return nil, fmt.Errorf("connection string: %w", err)
	}
	config.Logger = kurrentdb.NoopLogging()
	e := &env{
		config: *config, run: "k" + randomHex(4), quiet: o.Quiet,
		second: kurrentdb.Credentials{Login: o.Second.Name, Password: o.Second.Password},
	}
	if e.wire, err = dial(config); err != nil {
		return nil, err
	}
	defer e.wire.close()
	if err := e.awaitServer(ctx); err != nil {
		return nil, err
	}
	return e.ask(ctx, o, names)
}

// awaitServer fails if no server responds within the limit of one probe.
func (e *env) awaitServer(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, defaultLimit)
	defer cancel()
	_, err := e.wire.features.GetSupportedMethods(limited, &shared.Empty{}, grpc.WaitForReady(true))
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	}
	return fmt.Errorf("no server answers: %w", err)
}

func (e *env) ask(ctx context.Context, o Options, names []string) ([]Answer, error) {
	chosen := slices.DeleteFunc(probes(), func(pr probe) bool { return !slices.Contains(names, pr.name) })
	pending := make([]chan Answer, len(chosen))
	for i := range pending {
		pending[i] = make(chan Answer, 1)
	}
	go e.schedule(ctx, chosen, pending, max(o.Parallel, 1))
	var answers []Answer
	for _, answered := range pending {
		select {
		case answer := <-answered:
			if o.Answered != nil {
				o.Answered(answer)
			}
			answers = append(answers, answer)
		case <-ctx.Done():
			return nil, fmt.Errorf("asking was interrupted: %w", context.Cause(ctx))
		}
	}
	return answers, nil
}

// schedule starts the probes in order, until ctx is done. A probe that must run alone
// waits for the others, and they wait for it.
func (e *env) schedule(ctx context.Context, chosen []probe, answered []chan Answer, parallel int) {
	slots := make(chan struct{}, parallel)
	for i, pr := range chosen {
		need := 1
		if pr.alone() {
			need = parallel
		}
		for range need {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return
			}
		}
		go func() {
			answered[i] <- e.execute(ctx, pr)
			for range need {
				<-slots
			}
		}()
	}
}

// probes returns every probe. Those that disturb other groups come last.
func probes() []probe {
	return slices.Concat(
		serverProbes(), appendProbes(), idempotencyProbes(), contentProbes(), nameProbes(), readProbes(), metadataProbes(),
		linkProbes(), removeProbes(), logProbes(), catchUpProbes(), followProbes(), wireProbes(),
		groupCreateProbes(), groupSettingsProbes(), groupNameProbes(), groupAdminProbes(),
		groupDeliveryProbes(), groupUnackedProbes(), groupCheckpointProbes(), groupStreamProbes(),
		groupParkedProbes(), groupLinkProbes(), groupAllProbes(), accessProbes(), disturbingProbes(),
	)
}

// randomHex returns n random bytes in hexadecimal.
func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // it never fails
	return hex.EncodeToString(b)
}
