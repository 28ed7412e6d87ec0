package erasure

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"orderflow/internal/credit"
	"orderflow/internal/fulfillment"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
)

const (
	batch     = 500    // orders that are read from PostgreSQL at a time
	maxEvents = 10_000 // of an order's stream that are read

	progressEvery = 50_000 // orders between two progress logs
)

// found is an order of the subject.
type found struct {
	id         string
	stored     bool // the log still has an event that placed it, maybe of a deleted stream
	valid      bool // one of them can be decoded, so the order is, or was, processed
	unreadable bool // one of them is not JSON, and contains the customer's id
	foreign    bool // an event on its stream places it for another customer
	stream     kurrent.Deletion
	notes      kurrent.Deletion // of the stream of decisions about its credit: the note of one is free text, and may name a person
	noted      bool             // the log still has one of them
	row        *fulfillment.Row
	decision   credit.Decision
}

// search looks for the subject's orders.
type search struct {
	Subject
	quoted []byte // the customer's id in JSON
	orders map[string]*found
}

// find returns the subject's orders, sorted by id. The log has those that were placed, and
// the credit account those that were processed, also long after the log has lost them.
// The whole log is read, unless it is enough to read the stream of one order: inLog says
// whether the log is to be searched for the events of a deleted stream.
func (s Stores) find(ctx context.Context, subject Subject, inLog bool) ([]*found, error) {
	of := search{Subject: subject, orders: map[string]*found{}}
	if subject.OrderID != "" {
		of.orders[subject.OrderID] = &found{id: subject.OrderID}
	} else if err := s.findDecided(ctx, &of); err != nil {
		return nil, err
	}
	if err := s.findPlaced(ctx, &of, inLog); err != nil {
		return nil, err
	}
	orders := slices.SortedFunc(maps.Values(of.orders), func(a, b *found) int { return strings.Compare(a.id, b.id) })
	if err := s.complete(ctx, orders); err != nil {
		return nil, err
	}
	if len(orders) == 0 || subject.OrderID != "" && orders[0].unknown() {
		return nil, fmt.Errorf("%s: %w", subject, ErrNone)
	}
	return orders, nil
}

// findDecided finds the orders that the customer's account has decided.
func (s Stores) findDecided(ctx context.Context, of *search) (err error) {
	decisions, err := s.Accounts.Decisions(ctx, of.CustomerID)
	if err != nil {
		return fmt.Errorf("read the credit account: %w", err)
	}
	for id, decision := range decisions {
		of.orders[id] = &found{id: id, decision: decision}
	}
	of.quoted, err = json.Marshal(of.CustomerID)
	return err
}

// findPlaced finds orders by the events that place them.
func (s Stores) findPlaced(ctx context.Context, of *search, inLog bool) error {
	placed := 0
	visit := func(e kurrent.Event) error {
		if placed++; placed%progressEvery == 0 {
			s.Logger.Info("searching the log", "orders", placed, "found", len(of.orders), "through", e.Created)
		}
		if strings.HasPrefix(e.Stream, order.StreamPrefix) && order.IsPlaced(e.Type) {
			of.note(e)
		}
		id, decided := order.OrderDecided(e.Stream)
		if one := of.orders[id]; decided && one != nil {
			one.noted = true
		}
		return nil
	}
	if of.OrderID != "" && !inLog {
		err := s.Events.Leader().ReadStream(ctx, order.Stream(of.OrderID), 0, maxEvents, visit)
		if kurrent.IsGone(err) {
			return nil
		}
		return err
	}
	types := []string{order.TypePlaced, order.TypePlacedAlias, order.TypeCreditApproved, order.TypeCreditDeclined} // an order comes before its decisions
	return s.Events.Scan(ctx, kurrent.Scan{Types: types}, visit)
}

// note notes what an event says about one of the subject's orders. An event that cannot
// be decoded as an order may name its customer all the same.
func (of *search) note(e kurrent.Event) {
	byCustomer := of.OrderID == ""
	customer, readable := customerOf(e.Data)
	unreadable := byCustomer && !readable && bytes.Contains(e.Data, of.quoted)
	mine := byCustomer && readable && customer == of.CustomerID || unreadable
	one := of.orders[e.Stream]
	switch {
	case one == nil && !mine:
		return
	case one == nil:
		one = &found{id: e.Stream}
		of.orders[e.Stream] = one
	}
	_, invalid := order.DecodePlaced(e.Stream, e.ContentType, e.Data)
	one.stored = true
	one.valid = one.valid || invalid == nil
	one.unreadable = one.unreadable || unreadable
	one.foreign = one.foreign || byCustomer && invalid == nil && !mine
}

// unknown reports whether no store has a trace of the order.
func (f *found) unknown() bool {
	return !f.stored && f.row == nil && !f.stream.Live && f.stream.At.IsZero() && !f.notes.Live
}

// customerOf returns the customer that an event names, and reports whether the event is a
// JSON object.
func customerOf(data []byte) (customerID string, readable bool) {
	var placed struct {
		CustomerID any `json:"customerId"`
	}
	if err := jsonv2.Unmarshal(data, &placed, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
		return "", false
	}
	customerID, _ = placed.CustomerID.(string)
	return customerID, true
}

// complete reads the state of the orders' streams and rows.
func (s Stores) complete(ctx context.Context, orders []*found) (err error) {
	for _, one := range orders {
		if one.stream, err = s.Events.Deletion(ctx, one.id); err != nil {
			return err
		}
		if one.notes, err = s.Events.Deletion(ctx, order.CreditDecisionStream(one.id)); err != nil {
			return err
		}
	}
	for some := range slices.Chunk(orders, batch) {
		rows, err := s.Rows.FindFulfillments(ctx, idsOf(some))
		if err != nil {
			return err
		}
		for _, one := range some {
			if i := slices.IndexFunc(rows, func(r fulfillment.Row) bool { return r.OrderID == one.id }); i >= 0 {
				one.row = &rows[i]
			}
		}
	}
	return nil
}

func idsOf(orders []*found) (ids []string) {
	for _, one := range orders {
		ids = append(ids, one.id)
	}
	return ids
}
