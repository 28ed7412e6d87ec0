package ses

import (
	"fmt"
	"strings"

	"orderflow/internal/email"
	"orderflow/internal/order"
)

// Limits for text from others. With them the longest email stays far below the size at
// which mailboxes truncate one.
const (
	maxName         = 80
	maxAddressLine  = 100
	maxAddressLines = 8
	maxProduct      = 120
	maxTracking     = 100
	maxLines        = 100
	maxSubject      = 200
)

// Rendered is an email's subject and its two bodies, which have the same content.
type Rendered struct{ Subject, Text, HTML string }

// Render renders the email for a letter with the templates of this package. See
// Templates.Render.
func Render(letter email.Letter) (Rendered, error) { return standard.Render(letter) }

// Render renders the email for a letter, in its language or, if there is none of it, in
// English. The result is deterministic, byte for byte.
func (t *Templates) Render(letter email.Letter) (Rendered, error) {
	found, ok := t.find(letter.Language)[letter.Kind.Base()]
	if !ok {
		return Rendered{}, fmt.Errorf("no template for emails of kind %q", letter.Kind)
	}
	v := newView(letter)
	var subject, text, html strings.Builder
	if err := found.text.ExecuteTemplate(&subject, "subject", v); err != nil {
		return Rendered{}, fmt.Errorf("render subject: %w", err)
	}
	v.Subject = clean(subject.String(), maxSubject) // a subject is one line, whatever the template returns
	if err := found.text.ExecuteTemplate(&text, "layout", v); err != nil {
		return Rendered{}, fmt.Errorf("render text: %w", err)
	}
	if err := found.html.ExecuteTemplate(&html, "layout", v); err != nil {
		return Rendered{}, fmt.Errorf("render html: %w", err)
	}
	return Rendered{Subject: v.Subject, Text: text.String(), HTML: html.String()}, nil
}

// view is a letter prepared for printing: every string is one clean line, and text from
// the customer contains no links.
type view struct {
	Subject string
	OrderID string
	Name    string       // of the recipient; empty if it is not fit to be printed
	Total   string       // such as USD 1478.62
	Reason  order.Reason // of a rejection
	order.Shipment
	Parcel    email.Parcel
	Address   []string
	Lines     []viewLine
	MoreLines int // number of lines left out
}

type viewLine struct {
	Quantity int
	Product  string
	Price    string
}

func newView(letter email.Letter) view {
	v := view{
		OrderID: clean(letter.OrderID, maxProduct),
		Name:    safeName(letter.Name),
		Reason:  letter.Reason,
		Shipment: order.Shipment{
			Carrier:        clean(letter.Carrier, maxTracking),
			TrackingNumber: clean(letter.TrackingNumber, maxTracking),
		},
		Parcel:    letter.Parcel,
		Address:   customerLines(letter.AddressLines, maxAddressLines),
		MoreLines: max(0, len(letter.Lines)-maxLines),
	}
	if letter.Total != (order.Money{}) {
		v.Total = letter.Total.Currency + " " + letter.Total.Decimal()
	}
	if country := customerText(letter.Country, maxAddressLine); country != "" {
		v.Address = append(v.Address, country)
	}
	for _, line := range letter.Lines[:min(len(letter.Lines), maxLines)] {
		v.Lines = append(v.Lines, viewLine{
			Quantity: line.Quantity,
			Product:  customerText(line.ProductName, maxProduct),
			Price:    clean(letter.Total.Currency+" "+line.UnitPrice, maxTracking),
		})
	}
	return v
}

// customerText turns a customer's text into one line in which no mail program finds a
// link.
func customerText(s string, limit int) string { return unlink(clean(s, limit)) }

// safeName omits a name that contains a link or an address, because even an unlinked one
// would still advertise.
func safeName(name string) string {
	name = clean(name, maxName)
	if name != unlink(name) || strings.ContainsAny(name, ":/@\\<>") {
		return ""
	}
	return name
}
