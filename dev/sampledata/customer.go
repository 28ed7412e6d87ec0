package sampledata

import (
	"fmt"
	"slices"
	"strings"

	"github.com/brianvoe/gofakeit/v7"
)

// customer is a made-up person. creditLeft is the credit in cents that is left if none of
// the customer's orders is ever paid.
type customer struct {
	id         string
	recipient  recipient
	address    address
	creditLeft int64
	returning  bool
}

// newCustomer makes up a customer. The number keeps the email addresses of customers with
// the same name apart.
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
		address:    newAddress(fake),
		creditLeft: defaultLimit,
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

// letters keeps the characters of a name that an email address may contain without
// quoting.
func letters(name string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' {
			return r
		}
		return -1
	}, strings.ToLower(name))
}

// customerFor picks the customer for an order of the given amount: sometimes a recent one
// who still has enough credit, otherwise a new one.
func (g *Generator) customerFor(cents int64) *customer {
	if g.fake.IntRange(1, 4) == 1 {
		for i, known := range g.recent {
			if known.creditLeft >= cents {
				g.recent = slices.Delete(g.recent, i, i+1)
				known.returning = true
				return known
			}
		}
	}
	return newCustomer(g.fake)
}

// remember records what a customer has spent and keeps the last few customers, who may
// return.
func (g *Generator) remember(c *customer, cents int64) {
	c.creditLeft -= cents
	if c.creditLeft < 0 {
		return
	}
	g.recent = append(g.recent, c)
	if len(g.recent) > maxRecent {
		g.recent = g.recent[1:]
	}
}
