package collect

import (
	"encoding/binary"
	"encoding/json"
	"strings"
	"sync/atomic"

	"bytes"
)

// headBytes is the minimum length of a marker: shorter ones would cause false positives.
const headBytes = 6

// PIIMarkers are the pieces of personal data that the orders hold: names, email
// addresses, telephone numbers, lines of postal addresses. Find is safe for concurrent
// use once all have been added.
type PIIMarkers struct {
	first   [1 << 16]bool       // by the first two bytes, to skip most positions quickly
	heads   map[uint64][]string // by the first headBytes
	scanned atomic.Int64
}

// NewPIIMarkers returns an empty set.
func NewPIIMarkers() *PIIMarkers { return &PIIMarkers{heads: map[uint64][]string{}} }

// personal is the part of an order-placed event with personal data. The event may be
// invalid otherwise.
type personal struct {
	Shipping, Billing struct {
		Recipient struct{ FullName, EmailAddress, PhoneNumber string }
		Address   struct{ Lines []string }
	}
}

// AddOrder adds the personal data of an order-placed event. It ignores data that is not
// JSON, which holds nothing that could be told apart.
func (c *PIIMarkers) AddOrder(body []byte) {
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

// Add adds one text. Only its longest part counts that JSON, protobuf and logs all encode
// alike.
func (c *PIIMarkers) Add(text string) {
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

// Find reports whether data contains any marker.
func (c *PIIMarkers) Find(data []byte) bool {
	c.scanned.Add(int64(len(data)))
	for i := 0; i+headBytes <= len(data); i++ {
		if !c.first[binary.LittleEndian.Uint16(data[i:])] {
			continue
		}
		for _, marker := range c.heads[headOf(data[i:])] {
			if bytes.HasPrefix(data[i:], []byte(marker)) {
				return true
			}
		}
	}
	return false
}

// Scanned returns how many bytes were searched.
func (c *PIIMarkers) Scanned() int64 { return c.scanned.Load() }

func headOf(data []byte) uint64 {
	return uint64(binary.LittleEndian.Uint32(data)) | uint64(binary.LittleEndian.Uint16(data[4:]))<<32
}
