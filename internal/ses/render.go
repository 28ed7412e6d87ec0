package ses

import (
	"embed"
	"fmt"
	htmltemplate "html/template"
	"strings"
	texttemplate "text/template"

	"orderflow/internal/email"
	"orderflow/internal/order"
)

//go:embed templates/*.tmpl
var templates embed.FS

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

// template is the parsed templates of one kind of email.
type template struct {
	text *texttemplate.Template
	html *htmltemplate.Template
}

// parsed has the templates of every kind. Parsing them for each email would take three
// percent of a busy worker's time.
var parsed = parse()

func parse() map[email.Kind]template {
	all := map[email.Kind]template{}
	for _, kind := range email.Kinds() {
		all[kind] = template{
			text: texttemplate.Must(texttemplate.ParseFS(templates, "templates/layout.txt.tmpl", "templates/"+string(kind)+".txt.tmpl")),
			html: htmltemplate.Must(htmltemplate.ParseFS(templates, "templates/layout.html.tmpl", "templates/"+string(kind)+".html.tmpl")),
		}
	}
	return all
}

// Render renders the email for a letter. The result is deterministic, byte for byte.
func Render(letter email.Letter) (Rendered, error) {
	t, ok := parsed[letter.Kind]
	if !ok {
		return Rendered{}, fmt.Errorf("no template for emails of kind %q", letter.Kind)
	}
	v := newView(letter)
	var subject, text, html strings.Builder
	if err := t.text.ExecuteTemplate(&subject, "subject", v); err != nil {
		return Rendered{}, fmt.Errorf("render subject: %w", err)
	}
	v.Subject = clean(subject.String(), maxSubject) // a subject is one line, whatever the template returns
	if err := t.text.ExecuteTemplate(&text, "layout", v); err != nil {
		return Rendered{}, fmt.Errorf("render text: %w", err)
	}
	if err := t.html.ExecuteTemplate(&html, "layout", v); err != nil {
		return Rendered{}, fmt.Errorf("render html: %w", err)
	}
	return Rendered{Subject: v.Subject, Text: text.String(), HTML: html.String()}, nil
}

// view is a letter prepared for printing: every string is one clean line, and text from
// the customer contains no links.
type view struct {
	Subject  string
	OrderID  string
	Greeting string
	Total    string
	Why      string
	order.Shipment
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
		OrderID:  clean(letter.OrderID, maxProduct),
		Greeting: greeting(letter.Name),
		Why:      reasonText(letter.Reason),
		Shipment: order.Shipment{
			Carrier:        clean(letter.Carrier, maxTracking),
			TrackingNumber: clean(letter.TrackingNumber, maxTracking),
		},
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

// greeting omits a name that contains a link or an address, because even an unlinked one
// would still advertise.
func greeting(name string) string {
	name = clean(name, maxName)
	if name == "" || name != unlink(name) || strings.ContainsAny(name, ":/@\\<>") {
		return "Hello,"
	}
	return "Dear " + name + ","
}

// reasonText words a reason for the customer. Reasons that mean nothing to a customer get
// a general text.
func reasonText(reason order.Reason) string {
	switch reason {
	case order.ReasonInsufficientCredit:
		return "its total is more than the credit that is open to you at the moment"
	case order.ReasonUnknownCustomer:
		return "there is no credit account for you yet"
	case order.ReasonCurrencyMismatch:
		return "your credit account is kept in another currency"
	case order.ReasonCreditDeclined:
		return "we could not approve credit for it"
	case order.ReasonHoldExpired:
		return "credit for it was not approved in time"
	default:
		return "we were not able to process it"
	}
}
