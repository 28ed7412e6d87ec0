package facts

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"math/big"
	"strings"
	"time"

	"orderflow/internal/order"
)

// Row is an order's row in order_fulfillment.
type Row struct {
	CustomerID    string
	Status        order.Status
	Reason        order.Reason
	Total         order.Money
	SourceEventID string
	PlacedAt      time.Time
	Revision      int64
	Content       string // Image.Digest of its columns
	Lines         Lines
}

// Version is a row of order_fulfillment_history. Old is empty for the first.
type Version struct {
	Revision int64
	Type     string
	Old, New string       // Image.Digest
	Status   order.Status // in the new image
	Fault    string       // what is wrong with an image by itself
}

// Mail is a row of email_delivery.
type Mail struct {
	Kind       string
	Status     string
	Unknown    int    // attempts of which nobody knows what became
	Resolution string // what an operator decided about it last, if anything
	Recipient  string
	MessageIDs []string // the first, then further ones that turned out to have been sent
}

// Message is a mail that the provider has accepted.
type Message struct {
	ID       string
	Kind     string // the tag
	OrderTag string
	To       string
	At       time.Time // when the provider accepted it
}

// Image is a version's content: the columns that the history may hold, and no other.
type Image struct {
	OrderID        string    `json:"order_id"`
	CustomerID     string    `json:"customer_id"`
	Status         string    `json:"status"`
	Reason         *string   `json:"reason"`
	Code           *string   `json:"code"`
	TotalMinor     int64     `json:"total_minor"`
	Currency       string    `json:"currency"`
	ShippingMethod *string   `json:"shipping_method"`
	Carrier        *string   `json:"carrier"`
	TrackingNumber *string   `json:"tracking_number"`
	SourceEventID  string    `json:"source_event_id"`
	PlacedAt       time.Time `json:"placed_at"`
}

// Digest is short and the same for the same content.
func (i Image) Digest() string {
	i.PlacedAt = i.PlacedAt.UTC()
	content, err := json.Marshal(i)
	if err != nil {
		return "unreadable: " + err.Error()
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:16])
}

// Lines are an order's lines in short.
type Lines struct {
	Count  int
	Digest string
}

// LineDigest adds lines up one by one.
type LineDigest struct {
	sum   hash.Hash
	count int
}

// Add takes in the next line. Numbers count by their value, texts without what no text column takes.
func (d *LineDigest) Add(no int, productID, productName string, quantity int, unitPrice, taxRate string, totalMinor int64) {
	if d.sum == nil {
		d.sum = sha256.New()
	}
	d.count++
	_, _ = fmt.Fprintf(d.sum, "%d %q %q %d %s %s %d\n", // a hash takes everything
		no, storable(productID), storable(productName), quantity, number(unitPrice), number(taxRate), totalMinor)
}

// Lines are what was added up.
func (d *LineDigest) Lines() Lines {
	if d.sum == nil {
		return Lines{}
	}
	return Lines{Count: d.count, Digest: hex.EncodeToString(d.sum.Sum(nil)[:16])}
}

func storable(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, ""), "\x00", "")
}

func number(text string) string {
	value, ok := new(big.Rat).SetString(text)
	if !ok {
		return "unreadable"
	}
	return value.RatString()
}
