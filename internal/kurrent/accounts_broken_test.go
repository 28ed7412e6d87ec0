package kurrent_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"orderflow/internal/credit"
	"orderflow/internal/kurrent"
)

// careless decides by the rules and stores what it decided, but for one thing.
type careless struct {
	client *kurrent.Client
	terms  credit.Terms

	anywhere bool                       // it appends at whatever revision the stream is
	remember map[string]credit.Decision // not nil: it answers what it once decided without a look at the stream
	pause    func()                     // between its look at the stream and its append
}

// Reserve, Approve and Release are those of an account.
func (c *careless) Reserve(ctx context.Context, r credit.Request) (credit.Decision, error) {
	return c.decide(ctx, r, func(a *credit.Account) (credit.Decision, []credit.Event, error) {
		return a.Reserve(r.OrderID, r.Amount, c.terms)
	})
}

func (c *careless) Approve(ctx context.Context, r credit.Request, by string) (credit.Decision, error) {
	return c.decide(ctx, r, func(a *credit.Account) (credit.Decision, []credit.Event, error) {
		return a.Approve(r.OrderID, r.Amount, by, c.terms)
	})
}

func (c *careless) Release(ctx context.Context, r credit.Request, cause credit.Cause) (credit.Decision, error) {
	delete(c.remember, r.OrderID)
	return c.decide(ctx, r, func(a *credit.Account) (credit.Decision, []credit.Event, error) {
		return a.Release(r.OrderID, r.Amount, cause)
	})
}

func (c *careless) decide(
	ctx context.Context, r credit.Request, command func(*credit.Account) (credit.Decision, []credit.Event, error),
) (credit.Decision, error) {
	if decision, known := c.remember[r.OrderID]; known {
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
		if err == nil && c.remember != nil && decision.Verdict != credit.VerdictHeld {
			c.remember[r.OrderID] = decision
		}
		return decision, err
	}
}

// fold passes over what cannot follow, since that is what it wrote itself.
func (c *careless) fold(ctx context.Context) (*credit.Account, kurrent.Expected, error) {
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
	if c.anywhere {
		expected = kurrent.Any()
	}
	return account, expected, err
}

func (c *careless) store(ctx context.Context, expected kurrent.Expected, events []credit.Event) error {
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

// The check is worth what it finds: an account with one fault is not linearizable, and the same one without it is.
func TestAnAccountThatIsBrokenIsFoundOut(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		fault func(*careless)
		want  porcupine.CheckResult
	}{
		{"none", func(*careless) {}, porcupine.Ok},
		{"it appends at any revision", func(c *careless) { c.anywhere = true }, porcupine.Illegal},
		{"it answers what it remembers", func(c *careless) { c.remember = map[string]credit.Decision{} }, porcupine.Illegal},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			client := open(t, sim(t).url())
			l := load{clients: 8, operations: 30, orders: 60, seed: 1, account: func(int) (reserver, *clerk) {
				c := &careless{client: client, terms: hotTerms(t), pause: func() { <-time.After(2 * time.Millisecond) }}
				test.fault(c)
				return c, newClerk(client)
			}}
			history := l.run(t)
			result := porcupine.CheckOperationsTimeout(creditModel(l.orders), narrow(t, history, changes(t, client)), time.Minute)
			require.Equal(t, test.want, result)
		})
	}
}
