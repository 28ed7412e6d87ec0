// Package erasure erases the personal data of a customer, or of one order, from the
// stores, and says what still holds it.
//
// Two stores hold personal data. In KurrentDB it is in the order's stream, and may be in
// the notes of decisions about its credit. They are deleted first: an activity that reads the order later finds it gone and writes nothing.
// Then the columns in PostgreSQL are blanked. Each step may be repeated, and the orders are
// found again in both stores until they are gone, so an erasure that ended early is
// completed by another one. All else that Orderflow keeps has ids, codes and amounts.
//
// It owns which orders are a customer's and when they may be erased. Package postgres owns
// which columns are personal, and package kurrent how a stream is deleted.
package erasure

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"go.temporal.io/sdk/client"

	"orderflow/internal/credit"
	"orderflow/internal/fulfillment"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
)

// ErrNone is returned if there is no order to erase, and no trace of one.
var ErrNone = errors.New("no order was found")

// Subject is whose personal data is meant: a customer's, or that of one order.
type Subject struct {
	CustomerID string
	OrderID    string // in place of a customer
}

// String returns "customer C" or "order O".
func (s Subject) String() string {
	if s.OrderID != "" {
		return "order " + s.OrderID
	}
	return "customer " + s.CustomerID
}

// Rows are the tables with personal data. postgres.Fulfillments implements it.
type Rows interface {
	FindFulfillments(ctx context.Context, orderIDs []string) ([]fulfillment.Row, error)
	EraseOrder(ctx context.Context, orderID string) error
	Remains(ctx context.Context, orderIDs []string) ([]postgres.Remains, error)
}

// Accounts reads the decisions of a credit account. streams.CreditAccounts implements it.
type Accounts interface {
	Decisions(ctx context.Context, customerID string) (map[string]credit.Decision, error)
}

// Stores are the stores to erase from.
type Stores struct {
	Temporal client.Client
	Events   *kurrent.Client // its user may read $all and delete the streams of orders
	Rows     Rows
	Accounts Accounts
	Logger   *slog.Logger // of the progress in a long log
}

// Options are how to erase.
type Options struct {
	// Unpaid also erases orders whose credit is still reserved. A payment that comes later
	// no longer releases it.
	Unpaid bool
}

// Erased counts what an erasure did.
type Erased struct {
	Orders  int `json:"orders"`
	Streams int `json:"streams"` // that were deleted now
	Rows    int `json:"rows"`    // that have been blanked, now or before
}

// RefusedError lists the orders for which nothing was erased.
type RefusedError struct {
	Orders []Refusal
}

// Refusal is an order that cannot be erased, and why.
type Refusal struct{ OrderID, Reason string }

// maxRefused bounds how many refusals an error prints.
const maxRefused = 20

// Error returns a line for each order.
func (e *RefusedError) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "nothing was erased, because of %d orders", len(e.Orders))
	for i, one := range e.Orders {
		if i == maxRefused {
			fmt.Fprintf(&text, "\nand %d more", len(e.Orders)-i)
			break
		}
		fmt.Fprintf(&text, "\n%s %s", one.OrderID, one.Reason)
	}
	return text.String()
}

// Erase erases the personal data of the subject's orders. It returns a *RefusedError, and
// has changed nothing, if one of them is open. It returns ErrNone if there is no order.
// After another error it may have erased some: repeat it.
func Erase(ctx context.Context, s Stores, subject Subject, o Options) (Erased, error) {
	orders, err := s.find(ctx, subject, false)
	if err != nil {
		return Erased{}, err
	}
	if err := s.check(ctx, subject, orders, o); err != nil {
		return Erased{}, err
	}
	var done Erased
	for _, one := range orders {
		if err := s.erase(ctx, one, &done); err != nil {
			return done, fmt.Errorf("order %s: %w", one.id, err)
		}
	}
	return done, nil
}

// erase deletes the order's streams, and then blanks its row.
func (s Stores) erase(ctx context.Context, one *found, done *Erased) error {
	done.Orders++
	for stream, state := range map[string]kurrent.Deletion{one.id: one.stream, order.CreditDecisionStream(one.id): one.notes} {
		if !state.Live {
			continue
		}
		if err := s.Events.Delete(ctx, stream, kurrent.At(state.Last)); err != nil {
			return err
		}
		done.Streams++
	}
	if one.row == nil {
		return nil
	}
	if err := s.Rows.EraseOrder(ctx, one.id); err != nil {
		return err
	}
	done.Rows++
	return nil
}
