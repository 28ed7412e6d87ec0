package sampledata

import (
	"math/rand/v2"
	"strings"
	"time"

	"github.com/brianvoe/gofakeit/v7"
)

const (
	overEvery     = 10        // one in this many orders exceeds the limit
	defaultLimit  = 10_000_00 // cents: a new account's limit unless it is configured otherwise
	regularBudget = 6_000_00  // cents: an order that is meant to fit stays under this
	overBudget    = 10_500_00 // cents: an order that is not meant to fit exceeds this
	overPrice     = 200_00    // cents: the cheapest product of such an order, so that it has few lines
	maxRecent     = 16        // customers who may return
	maxQuantity   = 5
)

// Generator makes up journeys. The same seed produces the same journeys. Every tenth
// order exceeds the default credit limit of USD 10000.00; all others fit it together with
// all earlier orders of their customer. Addresses are at example.com. A Generator is not
// safe for concurrent use.
type Generator struct {
	fake    *gofakeit.Faker
	clock   time.Time
	journey int
	recent  []*customer
}

// New returns a generator whose first order is placed at start.
func New(seed uint64, start time.Time) *Generator {
	// Its own source, because gofakeit takes a seed of 0 for a random one.
	return &Generator{fake: gofakeit.NewFaker(rand.NewPCG(seed, 0), false), clock: start}
}

// Next makes up a journey whose order is placed some seconds after the previous one. Its
// streams are in the order in which they must be appended. The cart's stream occurs
// twice; the order's is last and has one event, order-placed.
func (g *Generator) Next() []Stream {
	at := g.clock
	g.clock = g.clock.Add(g.between(time.Second, 30*time.Second))
	return g.NextAt(at)
}

// NextAt makes up a journey whose order is placed at the given time, for callers that
// append in real time.
func (g *Generator) NextAt(at time.Time) []Stream {
	g.journey++
	lines := g.regularLines()
	if g.journey%overEvery == 0 {
		lines = g.overLines()
	}
	var cents int64
	for _, l := range lines {
		cents += l.total()
	}
	buyer := g.customerFor(cents)
	g.remember(buyer, cents)
	return g.build(buyer, lines, at)
}

// regularLines picks one to four lines that stay under the budget.
func (g *Generator) regularLines() []line {
	var lines []line
	products, budget := catalog(), int64(regularBudget)
	for range g.fake.IntRange(1, 4) {
		next := g.pick(products)
		for next.quantity > 0 && next.total() > budget {
			next.quantity--
		}
		if next.quantity > 0 {
			lines = append(lines, next)
			budget -= next.total()
		}
	}
	return lines
}

// overLines picks lines until they exceed the limit.
func (g *Generator) overLines() []line {
	var lines []line
	var dear []product
	for _, p := range catalog() {
		if p.cents >= overPrice {
			dear = append(dear, p)
		}
	}
	for cents := int64(0); cents <= overBudget; {
		next := g.pick(dear)
		lines = append(lines, next)
		cents += next.total()
	}
	return lines
}

func (g *Generator) pick(products []product) line {
	return line{
		product:  products[g.fake.IntRange(0, len(products)-1)],
		quantity: int64(g.fake.IntRange(1, maxQuantity)),
	}
}

func (g *Generator) between(least, most time.Duration) time.Duration {
	ticks := g.fake.IntRange(int(least/tick), int(most/tick))
	return time.Duration(ticks) * tick
}

// name returns a stream's name: a prefix and 32 hexadecimal digits.
func (g *Generator) name(prefix string) string {
	return prefix + strings.ReplaceAll(g.fake.UUID(), "-", "")
}
