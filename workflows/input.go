package workflows

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"

	"orderflow/internal/order"
)

// Input is the input of OrderFulfillment: ids and amounts. Names and addresses stay in
// the order's body.
type Input struct {
	OrderID    string       `json:"orderId"`
	CustomerID string       `json:"customerId"`
	Total      order.Money  `json:"total"`
	PlacedAt   time.Time    `json:"placedAt"`           // as the producer says
	WrittenAt  time.Time    `json:"writtenAt,omitzero"` // by KurrentDB; zero if an earlier version started the order, or a person
	Source     order.Source `json:"source"`

	TotalHidden bool `json:"totalHidden,omitempty"` // the total is not a search attribute

	Rules int `json:"rules,omitempty"` // that the order's runs follow, CurrentRules for a new order

	Continuation *Continuation `json:"continuation,omitempty"` // from the previous run, nil in the first
}

// The rules of a run are a number in its input. They decide what workflow.GetVersion would
// otherwise decide for two events of history each: a run keeps the rules that it was
// started with, whatever the code has learned since, and passes them on when it continues
// as new. An order without rules was started before there were any, or by hand.
const (
	// rulesLocal: a step is tried as a local activity first (execute). Every change id of
	// names.go is part of these rules.
	rulesLocal = 1

	// CurrentRules are the rules that new orders are started with. An older worker does not
	// know them, so every worker has to be upgraded before anything that starts orders.
	// One that knows rules at all leaves newer ones to others (requireKnownRules).
	CurrentRules = rulesLocal
)

// SearchAttributes returns the search attributes an order is started with.
func (in Input) SearchAttributes() temporal.SearchAttributes {
	return temporal.NewSearchAttributes(in.attributes(order.StatusPending)...)
}

// attributes returns the search attributes that do not change, and a status.
func (in Input) attributes(status order.Status) []temporal.SearchAttributeUpdate {
	updates := []temporal.SearchAttributeUpdate{
		customerIDKey().ValueSet(in.CustomerID), currencyKey().ValueSet(in.Total.Currency), statusKey().ValueSet(string(status)),
	}
	if in.TotalHidden { // a namespace may lack it, so it is not unset either
		return updates
	}
	return append(updates, totalKey().ValueSet(in.Total.Minor))
}

// Summary returns the one-line summary that the Web UI shows for the order.
func (in Input) Summary() string {
	return fmt.Sprintf("%s for %s", in.Total, in.CustomerID)
}

// Details returns the static details that the Web UI shows for the order, in Temporal's
// markdown.
func (in Input) Details() string {
	return fmt.Sprintf("Placed at %s by `%s`.\n\nBody: `%d@%s`, event `%s`.",
		in.PlacedAt.UTC().Format(time.RFC3339), in.CustomerID, in.Source.Revision, in.Source.Stream, in.Source.EventID)
}

// validate rejects an input that the bridge never sends: the workflow was started by
// hand.
func (in Input) validate() error {
	switch {
	case !order.ValidID(in.OrderID):
		return fmt.Errorf("orderId: %w", order.ErrInvalidID)
	case in.CustomerID == "":
		return errors.New("customerId: must not be empty")
	case in.Total.Minor <= 0 || in.Total.Currency == "":
		return errors.New("total: must be above zero")
	case in.Source.Stream != in.OrderID:
		return errors.New("source.stream: must be the order id")
	case in.Source.EventID == "":
		return errors.New("source.eventId: must not be empty")
	case in.Rules < 0:
		return errors.New("rules: must not be negative")
	}
	return nil
}

// requireKnownRules panics if the run's rules are newer than this worker. The workflow
// task then fails and is retried until a newer worker takes it. An error would fail the
// order.
func (in Input) requireKnownRules() {
	if in.Rules > CurrentRules {
		panic(fmt.Sprintf("order has rules %d, this worker knows %d: upgrade it", in.Rules, CurrentRules))
	}
}

// invalidInput returns the error that a workflow with an invalid input fails with.
func invalidInput(err error) error {
	return temporal.NewNonRetryableApplicationError(err.Error(), "INVALID_INPUT", nil)
}
