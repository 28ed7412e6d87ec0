package routes

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/client"

	"orderflow/bridge"
	"orderflow/internal/credit"
	"orderflow/internal/kurrent"
	"orderflow/workflows"
)

// reasonAccountBroken begins the reason of an event of an account that cannot be folded. It
// says no more: the error names the customer.
const reasonAccountBroken = "ACCOUNT_BROKEN"

// Accounts reports whether an account has an order on hold that fits into its credit.
// streams.CreditAccounts implements it.
type Accounts interface {
	ReviewDue(ctx context.Context, customerID string, revision uint64, now time.Time) (bool, error)
}

// NewReviews returns the router of the events of credit accounts that free credit.
func NewReviews(temporal client.Client, options client.Options, accounts Accounts) *bridge.Router {
	r := reviewRoutes{accounts: accounts}
	return router(temporal, options, bridge.Routes{
		credit.TypeOpened:       r.creditFreed,
		credit.TypeLimitChanged: r.creditFreed,
		credit.TypeReleased:     r.creditFreed,
	})
}

type reviewRoutes struct{ accounts Accounts }

// creditFreed starts a review of the customer's orders on hold, if one of them fits by now.
// Most customers have none, and need no workflow. An event that is older than the longest
// hold concerns no order: all that were on hold then have been decided since.
func (r reviewRoutes) creditFreed(ctx context.Context, event bridge.Event) (bridge.Action, error) {
	customerID, ok := credit.CustomerOf(event.Stream)
	if !ok || freesNothing(event) || time.Since(event.Created) > credit.MaxHold {
		return bridge.Ignore{}, nil
	}
	switch due, err := r.accounts.ReviewDue(ctx, customerID, event.Revision, time.Now()); {
	case errors.Is(err, credit.ErrHistory):
		return nil, bridge.Park("%s: nothing is decided on it until an operator has repaired its stream", reasonAccountBroken)
	case errors.Is(err, kurrent.ErrInvalid):
		return bridge.Ignore{}, nil
	case err != nil:
		return nil, err
	case !due:
		return bridge.Ignore{}, nil
	}
	return bridge.Start{
		Options: client.StartWorkflowOptions{
			ID: workflows.ReviewID(customerID, event.Revision), TaskQueue: workflows.TaskQueue,
			StaticSummary: "credit of " + customerID + " was freed",
			Priority:      workflows.CustomerPriority(customerID),
		},
		Workflow: workflows.CreditReviewType,
		Args:     []any{workflows.ReviewInput{CustomerID: customerID, Source: SourceOf(event)}},
		PerEvent: true,
	}, nil
}

// freesNothing reports whether an event is a release of an order that had reserved nothing.
func freesNothing(event bridge.Event) bool {
	decoded, err := credit.DecodeEvent(event.Type, event.Data)
	released, ok := decoded.(credit.Released)
	return err == nil && ok && released.Amount.IsZero()
}
