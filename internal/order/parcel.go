package order

import "slices"

// The limits of an order's parcels. They bound the state of its workflow and the size of
// its row's versions, each of which has all parcels so far. A parcel without lines does
// not count toward MaxParcelLines, so that an order can always be shipped to its end.
const (
	MaxParcels     = 50
	MaxParcelLines = 1000 // that an order's parcels name in all
)

// Parcel is one parcel of an order: how it left, and what it contains. A carrier and its
// tracking number identify it. Without lines it contains all that was left of the order.
type Parcel struct {
	Shipment
	Lines []ParcelLine `json:"lines,omitempty"`
}

// ParcelLine is a line of a parcel: the quantity that it contains of a line of the order.
type ParcelLine struct {
	Line     int `json:"line"`     // the number of the order's line, from 1
	Quantity int `json:"quantity"` // at least 1
}

// Left returns what is left of an order's quantities, line by line, after its parcels. A
// parcel without lines leaves nothing.
func Left(quantities []int, parcels []Parcel) []int {
	left := slices.Clone(quantities)
	for _, p := range parcels {
		if len(p.Lines) == 0 {
			clear(left)
		}
		for _, line := range p.Lines {
			if line.Line >= 1 && line.Line <= len(left) {
				left[line.Line-1] -= line.Quantity
			}
		}
	}
	return left
}

// WithLines returns the parcel with all that is left as its lines, if it has none.
func (p Parcel) WithLines(left []int) Parcel {
	if len(p.Lines) > 0 {
		return p
	}
	for i, quantity := range left {
		if quantity > 0 {
			p.Lines = append(p.Lines, ParcelLine{Line: i + 1, Quantity: quantity})
		}
	}
	return p
}

// Equal reports whether both parcels left in the same way and contain the same lines, in
// any order.
func (p Parcel) Equal(other Parcel) bool {
	return p.Shipment == other.Shipment && slices.Equal(p.sorted(), other.sorted())
}

func (p Parcel) sorted() []ParcelLine {
	return slices.SortedFunc(slices.Values(p.Lines), func(a, b ParcelLine) int { return a.Line - b.Line })
}

// EqualParcels reports whether both orders have equal parcels, in the same sequence.
func EqualParcels(a, b []Parcel) bool { return slices.EqualFunc(a, b, Parcel.Equal) }

// HasLeft reports whether a parcel is one of a shipped order. A parcel without lines is the
// last one, and one with lines may be the order as a whole.
func (s State) HasLeft(p Parcel) bool {
	switch {
	case s.Status != StatusShipped:
		return false
	case len(s.Parcels) == 0 || len(p.Lines) == 0:
		return s.Shipment == p.Shipment
	default:
		return slices.ContainsFunc(s.Parcels, p.Equal)
	}
}
