package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"
)

type mailFault struct {
	name  string
	share float64
}

// shares lists the faults under the provider's names.
func (f MailFaults) shares() []mailFault {
	shares := []mailFault{{"throttled", f.Throttled}, {"error", f.Error}, {"lost", f.Lost}}
	for _, reported := range []mailFault{{"bounced", f.Bounced}, {"complained", f.Complained}} {
		if reported.share > 0 { // a share that is none must not change what a seed makes
			shares = append(shares, reported)
		}
	}
	return shares
}

// forGood is more attempts than any email has.
const forGood = 1_000_000

// rearmEvery is how often the provider is reminded of the addresses it rejects: every
// restart loses them.
const rearmEvery = time.Second

// mail controls the provider's faults.
type mail struct {
	url string

	mu       sync.Mutex
	rejected []string
	armed    map[string]int // by fault
}

type wireFault struct {
	Fault string `json:"fault"`
	Count int    `json:"count"`
	To    string `json:"to"`
}

// reject makes the provider reject an address from now on.
func (m *mail) reject(address string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rejected = append(m.rejected, address)
}

// arm makes the next email to an address meet a fault. It ignores errors: a provider that
// is down is a fault already.
func (m *mail) arm(ctx context.Context, fault, address string) {
	if m.post(ctx, wireFault{Fault: fault, Count: 1, To: address}) == nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.armed[fault]++
	}
}

// keepRejecting reminds the provider of the rejected addresses until ctx is done.
func (m *mail) keepRejecting(ctx context.Context) {
	tick := time.NewTicker(rearmEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		known, err := m.faults(ctx)
		if err != nil {
			continue
		}
		for _, address := range m.forgotten(known) {
			_ = m.post(ctx, wireFault{Fault: "rejected", Count: forGood, To: address}) // the next round tries again
		}
	}
}

func (m *mail) forgotten(known []wireFault) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(m.rejected), func(address string) bool {
		return slices.ContainsFunc(known, func(f wireFault) bool { return f.Fault == "rejected" && f.To == address })
	})
}

func (m *mail) faults(ctx context.Context) (known []wireFault, err error) {
	return known, m.call(ctx, http.MethodGet, nil, &known)
}

func (m *mail) post(ctx context.Context, fault wireFault) error {
	return m.call(ctx, http.MethodPost, encode(fault), nil)
}

// clear removes every fault from the provider.
func (m *mail) clear(ctx context.Context) error { return m.call(ctx, http.MethodDelete, nil, nil) }

func (m *mail) call(ctx context.Context, method string, body []byte, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, m.url+"/faults", bytes.NewReader(body))
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode/100 != 2 {
		return errors.New(answer.Status)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(answer.Body).Decode(into)
}
