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
	id       string
	scenario orderScenario
	body     map[string]any
	total    string // the amount that pays for it
	eventID  uuid.UUID
	random   *rand.Rand // its own: what it draws does not depend on other orders in progress
	hot      bool
	http     bool          // it is placed by HTTP
	faults   []string      // faults of its next emails
	within   time.Duration // the longest wait before its action; 0 means the workload's default
}

// Customers and amounts that do not come from the generator.
const (
	hotCustomer = "customer-hot"
	hotAddress  = "hot@example.com"

	// overLimit is the price of a line that no default limit covers.
	overLimit = "USD11000.00"
)

// maker generates orders one after the other. Equal seeds produce equal orders.
type maker struct {
	options   Options
	scenarios []orderScenario
	weights   int
	random    *rand.Rand
	orders    *sampledata.Generator
	made      int
}

func newMaker(o Options) *maker {
	m := &maker{
		options: o, random: rand.New(rand.NewPCG(o.Seed, 2)),
		orders: sampledata.New(o.Seed, time.Date(2025, time.January, 1, 0, 0, 0, 0, time.UTC)),
	}
	for _, f := range orderScenarios() {
		if o.OrderScenarios != nil {
			f.weight = o.OrderScenarios[f.name]
		}
		if f.http && o.HTTP == 0 || f.hidden && o.Shown {
			continue
		}
		if f.weight > 0 {
			m.scenarios = append(m.scenarios, f)
			m.weights += f.weight
		}
	}
	return m
}

// next generates an order. It uses only the order of the generated sample data: nothing
// consumes carts.
func (m *maker) next() (placement, error) {
	f := m.pick()
	return m.make(f, m.random.Float64() < m.options.Hot)
}

// make generates an order of a scenario.
func (m *maker) make(f orderScenario, hot bool) (placement, error) {
	streams := m.orders.Next()
	placed := streams[len(streams)-1]
	m.made++
	p := placement{
		id: placed.Name, scenario: f, random: rand.New(rand.NewPCG(m.options.Seed, uint64(1000+m.made))), hot: hot,
	}
	var err error
	if p.eventID, err = uuid.Parse(placed.Events[0].ID); err != nil {
		return p, fmt.Errorf("make up an order: %w", err)
	}
	if err := json.Unmarshal(placed.Events[0].Data, &p.body); err != nil {
		return p, fmt.Errorf("make up an order: %w", err)
	}
	m.applyScenario(&p)
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

func (m *maker) pick() orderScenario {
	n := m.random.IntN(m.weights)
	for _, f := range m.scenarios {
		if n -= f.weight; n < 0 {
			return f
		}
	}
	return m.scenarios[0]
}

// applyScenario sets the order the customer and the amount that its scenario needs.
func (m *maker) applyScenario(p *placement) {
	switch {
	case p.scenario.held:
		p.body["customerId"] = fmt.Sprintf("customer-held-%d", m.made)
		p.body["lineItems"] = append(p.body["lineItems"].([]any), map[string]any{
			"productId": "4006381009999", "productName": "Grand Piano", "quantity": 1, "pricePerUnit": overLimit, "taxRate": 0,
		})
		p.hot = false
	case p.scenario.own:
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

// address returns the address of the order's emails.
func (p *placement) address() string {
	email, _ := p.body["billing"].(map[string]any)["recipient"].(map[string]any)["emailAddress"].(string)
	return email
}

// customer returns the customer of the order.
func (p *placement) customer() string {
	id, _ := p.body["customerId"].(string)
	return id
}

// pace draws how long the order's action waits.
func (p *placement) pace(longest time.Duration) time.Duration {
	return time.Duration(p.random.Int64N(int64(longest)))
}

// eventIDFor derives the id of a further event from the seed.
func (p *placement) eventIDFor(what string) uuid.UUID {
	return uuid.NewSHA1(p.eventID, []byte(what))
}

// encode encodes a body that was decoded from JSON, which cannot fail.
func encode(body any) []byte {
	data, err := json.Marshal(body)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", body, err))
	}
	return data
}
