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
	Quantities    []int          // of its lines
	Parcels       []order.Parcel // that have left, if the order ships in several

	Erased  bool     // its person was erased by `orderflow erase`
	Remains []string // of an erased one: the tables with a row of the order that has personal data
}

// Version is a row of order_fulfillment_history. Old is empty for the first.
type Version struct {
	Revision int64
	Type     string
	Old, New string       // Image.Digest
	Status   order.Status // in the new image
	Parcels  int          // in the new image
	Fault    string       // what is wrong with an image
}

// Mail is a row of email_delivery.
type Mail struct {
	Kind       string
	Status     string
	Unknown    int    // attempts with an unknown outcome
	Resolution string // the last decision of an operator about it, if any
	Recipient  string
	MessageIDs []string // the first, then others found later to have been sent
}

// Message is an email that the provider has accepted.
type Message struct {
	ID       string
	Kind     string // the tag
	OrderTag string
	To       string
	At       time.Time // when the provider accepted it
}

// EmailEvent is an event of an order's email stream.
type EmailEvent struct {
	Type, Kind, MessageID string
	Fault                 string // what is wrong with it
}

// Image is a version's content: the only columns that the history may hold.
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

	Parcels []order.Parcel `json:"parcels,omitempty"`
}

// Digest returns a short hash that is equal for equal content.
func (i Image) Digest() string {
	i.PlacedAt = i.PlacedAt.UTC()
	content, err := json.Marshal(i)
	if err != nil {
		return "unreadable: " + err.Error()
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:16])
}

// Lines is a digest of an order's lines.
type Lines struct {
	Count  int
	Digest string
}

// LineDigest accumulates lines one by one.
type LineDigest struct {
	sum   hash.Hash
	count int
}

// Add adds the next line. Numbers are compared by value. Texts are compared without
// characters that a text column cannot hold.
func (d *LineDigest) Add(no int, productID, productName string, quantity int, unitPrice, taxRate string, totalMinor int64) {
	if d.sum == nil {
		d.sum = sha256.New()
	}
	d.count++
	_, _ = fmt.Fprintf(d.sum, "%d %q %q %d %s %s %d\n", // a hash never fails to write
		no, storable(productID), storable(productName), quantity, number(unitPrice), number(taxRate), totalMinor)
}

// Lines returns the digest of the added lines.
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
