package collect

import (
	"encoding/binary"
	"encoding/json"
	"strings"
	"sync/atomic"

	"bytes"
)

// headBytes begin every canary: shorter ones would sing for nothing.
const headBytes = 6

// Canaries are the pieces of personal data that the orders hold: names, mail addresses, telephone numbers, lines of postal
// addresses. Finding is safe for concurrent use once all have been added.
type Canaries struct {
	first   [1 << 16]bool       // by the first two bytes, to pass over most places quickly
	heads   map[uint64][]string // by the first headBytes
	scanned atomic.Int64
}

// NewCanaries has none yet.
func NewCanaries() *Canaries { return &Canaries{heads: map[uint64][]string{}} }

// personal is what is looked at in an order-placed event, whatever else may be wrong with it.
type personal struct {
	Shipping, Billing struct {
		Recipient struct{ FullName, EmailAddress, PhoneNumber string }
		Address   struct{ Lines []string }
	}
}

// AddOrder takes in what an order-placed event says of a person. What is not JSON holds nothing that could be told apart.
func (c *Canaries) AddOrder(body []byte) {
	var p personal
	if json.Unmarshal(body, &p) != nil {
		return
	}
	for _, side := range []struct{ name, mail, phone string }{
		{p.Shipping.Recipient.FullName, p.Shipping.Recipient.EmailAddress, p.Shipping.Recipient.PhoneNumber},
		{p.Billing.Recipient.FullName, p.Billing.Recipient.EmailAddress, p.Billing.Recipient.PhoneNumber},
	} {
		c.Add(side.name)
		c.Add(side.mail)
		c.Add(side.phone)
	}
	for _, line := range append(p.Shipping.Address.Lines, p.Billing.Address.Lines...) {
		c.Add(line)
	}
}

// Add takes in one text. Its longest part counts that JSON, protobuf and logs all write the same way.
func (c *Canaries) Add(text string) {
	plain := ""
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r < ' ' || strings.ContainsRune(`"\<>&`, r) }) {
		if part = strings.TrimSpace(part); len(part) > len(plain) {
			plain = part
		}
	}
	if len(plain) < headBytes {
		return
	}
	head := headOf([]byte(plain))
	for _, known := range c.heads[head] {
		if known == plain {
			return
		}
	}
	c.first[binary.LittleEndian.Uint16([]byte(plain))] = true
	c.heads[head] = append(c.heads[head], plain)
}

// Find reports whether any canary is in data.
func (c *Canaries) Find(data []byte) bool {
	c.scanned.Add(int64(len(data)))
	for i := 0; i+headBytes <= len(data); i++ {
		if !c.first[binary.LittleEndian.Uint16(data[i:])] {
			continue
		}
		for _, canary := range c.heads[headOf(data[i:])] {
			if bytes.HasPrefix(data[i:], []byte(canary)) {
				return true
			}
		}
	}
	return false
}

// Scanned is how many bytes were searched.
func (c *Canaries) Scanned() int64 { return c.scanned.Load() }

func headOf(data []byte) uint64 {
	return uint64(binary.LittleEndian.Uint32(data)) | uint64(binary.LittleEndian.Uint16(data[4:]))<<32
}
