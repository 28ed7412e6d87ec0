package sampledata

import (
	"fmt"
	"slices"
	"strings"

	"github.com/brianvoe/gofakeit/v7"
)

// customer is somebody made up. room is the credit in cents that is left if none of the customer's orders is ever paid.
type customer struct {
	id        string
	recipient recipient
	address   address
	room      int64
	returning bool
}

// newCustomer makes somebody up. The number keeps the addresses of namesakes apart.
func newCustomer(fake *gofakeit.Faker) *customer {
	first, last := fake.FirstName(), fake.LastName()
	number := fake.IntRange(1_000_000, 2_000_000_000)
	return &customer{
		id: fmt.Sprintf("customer-%d", number),
		recipient: recipient{
			Title:        fake.RandomString([]string{"Mr.", "Mrs.", "Ms.", "Dr."}),
			FullName:     first + " " + last,
			EmailAddress: fmt.Sprintf("%s.%s.%d@example.com", letters(first), letters(last), number),
			PhoneNumber:  fake.PhoneFormatted(),
		},
		address: newAddress(fake),
		room:    defaultLimit,
	}
}

func newAddress(fake *gofakeit.Faker) address {
	return address{
		Country: fake.CountryAbr(),
		Lines: []string{
			fake.StreetName() + " " + fake.StreetNumber(),
			fake.Zip() + " " + fake.City(),
		},
	}
}

// letters keeps of a name what may stand in an e-mail address without quoting.
func letters(name string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' {
			return r
		}
		return -1
	}, strings.ToLower(name))
}

// customerFor picks who places an order of so many cents: now and then somebody who was here lately and still has
// credit for it, else somebody new.
func (g *Generator) customerFor(cents int64) *customer {
	if g.fake.IntRange(1, 4) == 1 {
		for i, known := range g.lately {
			if known.room >= cents {
				g.lately = slices.Delete(g.lately, i, i+1)
				known.returning = true
				return known
			}
		}
	}
	return newCustomer(g.fake)
}

// remember notes what a customer has spent and keeps the last few, for them to come back.
func (g *Generator) remember(c *customer, cents int64) {
	c.room -= cents
	if c.room < 0 {
		return
	}
	g.lately = append(g.lately, c)
	if len(g.lately) > maxLately {
		g.lately = g.lately[1:]
	}
}
