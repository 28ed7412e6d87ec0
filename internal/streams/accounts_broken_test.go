package streams_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/credit"
	"orderflow/internal/kurrent"
)

// brokenAccounts decides by the rules and stores what it decided, with at most one fault.
type brokenAccounts struct {
	client *kurrent.Client
	terms  credit.Terms

	anyRevision bool                       // it appends at any revision of the stream
	cached      map[string]credit.Decision // if not nil, it returns earlier decisions without reading the stream
	pause       func()                     // between reading the stream and appending
}

// Reserve, Approve and Release are the commands of an account.
func (c *brokenAccounts) Reserve(ctx context.Context, r credit.Request) (credit.Decision, error) {
	return c.decide(ctx, r, func(a *credit.Account) (credit.Decision, []credit.Event, error) {
		return a.Reserve(r.OrderID, r.Amount, c.terms)
	})
}

func (c *brokenAccounts) Approve(ctx context.Context, r credit.Request, by string) (credit.Decision, error) {
	return c.decide(ctx, r, func(a *credit.Account) (credit.Decision, []credit.Event, error) {
		return a.Approve(r.OrderID, r.Amount, by, c.terms)
	})
}

func (c *brokenAccounts) Release(ctx context.Context, r credit.Request, cause credit.Cause) (credit.Decision, error) {
	delete(c.cached, r.OrderID)
	return c.decide(ctx, r, func(a *credit.Account) (credit.Decision, []credit.Event, error) {
		return a.Release(r.OrderID, r.Amount, cause)
	})
}

func (c *brokenAccounts) decide(
	ctx context.Context, r credit.Request, command func(*credit.Account) (credit.Decision, []credit.Event, error),
) (credit.Decision, error) {
	if decision, known := c.cached[r.OrderID]; known {
		return decision, nil
	}
	for {
		account, expected, err := c.fold(ctx)
		if err != nil {
			return credit.Decision{}, err
		}
		decision, events, err := command(account)
		if err == nil && len(events) > 0 {
			c.pause()
			err = c.store(ctx, expected, events)
		}
		if errors.Is(err, kurrent.ErrWrongRevision) {
			continue
		}
		if err == nil && c.cached != nil && decision.Verdict != credit.VerdictHeld {
			c.cached[r.OrderID] = decision
		}
		return decision, err
	}
}

// fold skips events that cannot follow, because brokenAccounts wrote them itself.
func (c *brokenAccounts) fold(ctx context.Context) (*credit.Account, kurrent.Expected, error) {
	account, expected := credit.NewAccount(hotCustomer), kurrent.NoStream()
	err := c.client.ReadStream(ctx, "credit-"+hotCustomer, 0, 0, func(e kurrent.Event) error {
		expected = kurrent.At(e.Revision)
		event, err := credit.DecodeEvent(e.Type, e.Data)
		if err == nil {
			_ = account.Apply(event)
		}
		return err
	})
	if errors.Is(err, kurrent.ErrNotFound) {
		err = nil
	}
	if c.anyRevision {
		expected = kurrent.Any()
	}
	return account, expected, err
}

func (c *brokenAccounts) store(ctx context.Context, expected kurrent.Expected, events []credit.Event) error {
	var proposed []kurrent.NewEvent
	for _, event := range events {
		data, err := credit.EncodeEvent(event)
		if err != nil {
			return err
		}
		proposed = append(proposed, kurrent.NewEvent{ID: uuid.New(), Type: event.EventType(), Data: data})
	}
	_, err := c.client.Append(ctx, "credit-"+hotCustomer, expected, proposed...)
	return err
}

// The linearizability check is useful: an account with one fault fails it, and the same
// account without the fault passes.
func TestLinearizabilityCheck_FindsBrokenAccounts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		fault func(*brokenAccounts)
		want  porcupine.CheckResult
	}{
		{"none", func(*brokenAccounts) {}, porcupine.Ok},
		{"it appends at any revision", func(c *brokenAccounts) { c.anyRevision = true }, porcupine.Illegal},
		{"it returns earlier decisions", func(c *brokenAccounts) { c.cached = map[string]credit.Decision{} }, porcupine.Illegal},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			tries := 1
			if test.want == porcupine.Illegal {
				tries = 10 // whether two clients decide about an order at the same time is up to the scheduler
			}
			var result porcupine.CheckResult
			for seed := 1; seed <= tries && result != test.want; seed++ {
				result = checkBroken(t, uint64(seed), test.fault)
			}
			require.Equal(t, test.want, result)
		})
	}
}

func checkBroken(t *testing.T, seed uint64, fault func(*brokenAccounts)) porcupine.CheckResult {
	t.Helper()
	client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
	l := load{clients: 8, operations: 30, orders: 60, seed: seed, account: func(int) (accountUnderTest, *limitChanger) {
		c := &brokenAccounts{client: client, terms: hotTerms(t), pause: func() { <-time.After(2 * time.Millisecond) }}
		fault(c)
		return c, newLimitChanger(client)
	}}
	history := l.run(t)
	return porcupine.CheckOperationsTimeout(creditModel(l.orders), narrow(t, history, changes(t, client)), time.Minute)
}
