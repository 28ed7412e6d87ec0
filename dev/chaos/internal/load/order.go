package load

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"orderflow/dev/sampledata"
	"orderflow/internal/order"
)

// placement is an order before it is placed.
type placement struct {
	id      string
	fate    fate
	body    map[string]any
	total   string // what pays for it
	eventID uuid.UUID
	random  *rand.Rand // its own: what it draws does not depend on who else is under way
	hot     bool
	http    bool          // it is placed by HTTP
	faults  []string      // that its next mails meet
	within  time.Duration // the longest its fate waits for its turn; 0: as long as the workload's others
}

// Customers and sums that are not the generator's own.
const (
	hotCustomer = "customer-hot"
	hotAddress  = "hot@example.com"

	// overLimit is the price of a line that no default limit covers.
	overLimit = "USD11000.00"
)

// maker makes up orders one after the other, the same ones for the same seed.
type maker struct {
	options Options
	fates   []fate
	weights int
	random  *rand.Rand
	orders  *sampledata.Generator
	made    int
}

func newMaker(o Options) *maker {
	m := &maker{
		options: o, random: rand.New(rand.NewPCG(o.Seed, 2)),
		orders: sampledata.New(o.Seed, time.Date(2025, time.January, 1, 0, 0, 0, 0, time.UTC)),
	}
	for _, f := range fates() {
		if o.Fates != nil {
			f.weight = o.Fates[f.name]
		}
		if f.http && o.HTTP == 0 || f.hidden && o.Shown {
			continue
		}
		if f.weight > 0 {
			m.fates = append(m.fates, f)
			m.weights += f.weight
		}
	}
	return m
}

// next makes up an order. Of the generator's journey only the order is used: nobody listens to carts.
func (m *maker) next() (placement, error) {
	f := m.pick()
	return m.make(f, m.random.Float64() < m.options.Hot)
}

// make makes up an order of a fate.
func (m *maker) make(f fate, hot bool) (placement, error) {
	streams := m.orders.Next()
	placed := streams[len(streams)-1]
	m.made++
	p := placement{
		id: placed.Name, fate: f, random: rand.New(rand.NewPCG(m.options.Seed, uint64(1000+m.made))), hot: hot,
	}
	var err error
	if p.eventID, err = uuid.Parse(placed.Events[0].ID); err != nil {
		return p, fmt.Errorf("make up an order: %w", err)
	}
	if err := json.Unmarshal(placed.Events[0].Data, &p.body); err != nil {
		return p, fmt.Errorf("make up an order: %w", err)
	}
	m.dress(&p)
	decoded, err := order.DecodePlaced(p.id, sampledata.ContentTypeJSON, encode(p.body))
	if err != nil {
		return p, fmt.Errorf("make up an order: %w", err)
	}
	p.total = decoded.Total.String()
	for _, fault := range m.options.Mail.shares() {
		if p.random.Float64() < fault.share {
			p.faults = append(p.faults, fault.name)
		}
	}
	p.http = f.http || m.options.HTTP > 0 && p.random.Float64() < m.options.HTTP
	return p, nil
}

func (m *maker) pick() fate {
	n := m.random.IntN(m.weights)
	for _, f := range m.fates {
		if n -= f.weight; n < 0 {
			return f
		}
	}
	return m.fates[0]
}

// dress gives the order the customer and the sum that its fate needs.
func (m *maker) dress(p *placement) {
	switch {
	case p.fate.held:
		p.body["customerId"] = fmt.Sprintf("customer-held-%d", m.made)
		p.body["lineItems"] = append(p.body["lineItems"].([]any), map[string]any{
			"productId": "4006381009999", "productName": "Grand Piano", "quantity": 1, "pricePerUnit": overLimit, "taxRate": 0,
		})
		p.hot = false
	case p.fate.own:
		p.body["customerId"] = fmt.Sprintf("customer-own-%d", m.made)
		p.readdress(fmt.Sprintf("own-%d@example.com", m.made))
		p.hot = false
	case p.hot:
		p.body["customerId"] = hotCustomer
		p.readdress(hotAddress)
	}
}

func (p *placement) readdress(email string) {
	for _, part := range []string{"billing", "shipping"} {
		p.body[part].(map[string]any)["recipient"].(map[string]any)["emailAddress"] = email
	}
}

// address is where the order's mails go.
func (p *placement) address() string {
	email, _ := p.body["billing"].(map[string]any)["recipient"].(map[string]any)["emailAddress"].(string)
	return email
}

// customer is who places the order.
func (p *placement) customer() string {
	id, _ := p.body["customerId"].(string)
	return id
}

// pace draws how long the order's fate waits.
func (p *placement) pace(longest time.Duration) time.Duration {
	return time.Duration(p.random.Int64N(int64(longest)))
}

// another derives the id of a further event, the same one for the same seed.
func (p *placement) another(what string) uuid.UUID {
	return uuid.NewSHA1(p.eventID, []byte(what))
}

// encode writes a body that came from JSON, which always can be written.
func encode(body any) []byte {
	data, err := json.Marshal(body)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", body, err))
	}
	return data
}
