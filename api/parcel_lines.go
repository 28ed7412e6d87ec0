package main

import (
	"context"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"orderflow/internal/order"
)

// linePrefix begins the names of the fields with the quantities of a parcel: line-1 is that
// of the order's first line.
const linePrefix = "line-"

// parcelLine is a line of an order of which something is left to ship, and a field of the
// form that records a parcel.
type parcelLine struct {
	No      int
	Product string // its name, or its id if it has none
	Left    int
	Value   string // what the person entered; all that is left if they entered nothing yet
}

// Name returns the name of the line's field.
func (l parcelLine) Name() string { return linePrefix + strconv.Itoa(l.No) }

// openLines returns the lines of an order of which something is left. It returns none if
// the order's event cannot be read: a parcel then contains all that is left.
func (a *api) openLines(ctx context.Context, state order.State, form url.Values) (open []parcelLine) {
	placed, err := a.loadPlaced(ctx, state.OrderID)
	if err != nil {
		a.logger.WarnContext(ctx, "showing an incomplete page", "error", err)
		return nil
	}
	quantities := make([]int, len(placed.order.Lines))
	for i, line := range placed.order.Lines {
		quantities[i] = line.Quantity
	}
	for i, left := range order.Left(quantities, state.Parcels) {
		if left <= 0 {
			continue
		}
		line := parcelLine{No: i + 1, Product: placed.order.Lines[i].ProductName, Left: left, Value: strconv.Itoa(left)}
		if line.Product == "" {
			line.Product = placed.order.Lines[i].ProductID
		}
		if form != nil {
			line.Value = form.Get(line.Name())
		}
		open = append(open, line)
	}
	return open
}

// errNoLines means that the lines which a form has quantities of cannot be shown again.
var errNoLines = errors.New("the lines of the order cannot be read")

// parseLines returns the lines of a parcel that a form has quantities of, in the sequence
// of the order's lines. It returns nil if none was entered, which means all that is left.
// How much may be in a parcel is for the order to decide: a form that is sent twice must
// have the same outcome twice.
func parseLines(form url.Values) (lines []order.ParcelLine, err error) {
	for _, name := range slices.Sorted(maps.Keys(form)) { // of several faults always the same is reported
		text, known := strings.CutPrefix(name, linePrefix)
		value := strings.TrimSpace(form.Get(name))
		if !known || value == "" {
			continue
		}
		if lines == nil {
			lines = []order.ParcelLine{}
		}
		no, err := strconv.Atoi(text)
		if err != nil || no < 1 {
			return nil, badField("line", "is not a line of an order")
		}
		quantity, err := strconv.Atoi(value)
		if err != nil || quantity < 0 {
			return nil, badField(name, "must be a whole number, and 0 if nothing of the line is in the parcel")
		}
		if quantity > 0 {
			lines = append(lines, order.ParcelLine{Line: no, Quantity: quantity})
		}
	}
	slices.SortFunc(lines, func(a, b order.ParcelLine) int { return a.Line - b.Line })
	return lines, nil
}
