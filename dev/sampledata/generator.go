package sampledata

import (
	"math/rand/v2"
	"strings"
	"time"

	"github.com/brianvoe/gofakeit/v7"
)

const (
	overEvery     = 10        // one order in so many goes over the limit
	defaultLimit  = 10_000_00 // cents: the limit a new account has unless it is configured otherwise
	regularBudget = 6_000_00  // cents: what an order stays under that is to fit
	overBudget    = 10_500_00 // cents: what an order passes that is not to fit
	overPrice     = 200_00    // cents: the cheapest product of such an order, so that it has few lines
	maxLately     = 16        // customers who may come back
	maxQuantity   = 5
)

// Generator makes up journeys, the same ones for the same seed. Every tenth order exceeds the default credit limit of
// USD 10000.00; all others fit it together with all their customer's earlier ones. Addresses are at example.com.
// It is not safe for concurrent use.
type Generator struct {
	fake    *gofakeit.Faker
	clock   time.Time
	journey int
	lately  []*customer
}

// New starts a generator whose first order is placed at a time.
func New(seed uint64, start time.Time) *Generator {
	// An own source, because a seed of 0 means a random one to gofakeit.
	return &Generator{fake: gofakeit.NewFaker(rand.NewPCG(seed, 0), false), clock: start}
}

// Next makes up a journey whose order is placed some seconds after the one before. Its streams are in the order they
// are to be appended; the cart's comes twice, and the order's is last and has the one event order-placed.
func (g *Generator) Next() []Stream {
	at := g.clock
	g.clock = g.clock.Add(g.between(time.Second, 30*time.Second))
	return g.NextAt(at)
}

// NextAt makes up a journey whose order is placed at a time, for those who append as time goes by.
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
	who := g.customerFor(cents)
	g.remember(who, cents)
	return g.tell(who, lines, at)
}

// regularLines picks one to four lines that stay under the budget.
func (g *Generator) regularLines() []line {
	var lines []line
	products, budget := catalogue(), int64(regularBudget)
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

// overLines picks lines until they pass the limit.
func (g *Generator) overLines() []line {
	var lines []line
	var dear []product
	for _, p := range catalogue() {
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

// name gives a stream's name: a prefix and 32 hexadecimal digits.
func (g *Generator) name(prefix string) string {
	return prefix + strings.ReplaceAll(g.fake.UUID(), "-", "")
}
