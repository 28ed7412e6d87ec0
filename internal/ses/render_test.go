package ses_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"orderflow/internal/email"
	"orderflow/internal/order"
	"orderflow/internal/ses"
)

var update = flag.Bool("update", false, "write the golden files anew")

func letter(kind email.Kind) email.Letter {
	return email.Letter{
		OrderID: "order-0a1b.2c",
		Kind:    kind,
		To:      "jane.doe@example.com",
		Name:    "Dr Jane Doe",
		Total:   order.Money{Minor: 147862, Currency: "USD"},
		Country: "NL", AddressLines: []string{"Keizersgracht 1", "1015 CN Amsterdam"},
		Lines: []email.LetterLine{
			{ProductName: "Wool blanket <large>", Quantity: 2, UnitPrice: "601.05"},
			{ProductName: "Teapot & lid", Quantity: 1, UnitPrice: "19.90"},
		},
	}
}

func TestRender_EachKind(t *testing.T) {
	t.Parallel()
	letters := map[string]email.Letter{
		"confirmation": letter(email.KindConfirmation),
		"rejection":    letter(email.KindRejection),
		"shipment":     letter(email.KindShipment),
		"cancellation": letter(email.KindCancellation),
		"bare":         {OrderID: "order-1", Kind: email.KindShipment, To: "a@example.com"},
	}
	rejection := letters["rejection"]
	rejection.Reason = order.ReasonInsufficientCredit
	letters["rejection"] = rejection
	shipment := letters["shipment"]
	shipment.Carrier, shipment.TrackingNumber = "PostNL", "3SABC123"
	letters["shipment"] = shipment
	parcel := shipment
	parcel.Kind, parcel.Parcel, parcel.Lines = email.ParcelKind(2), email.ParcelPart, parcel.Lines[1:]
	letters["parcel"] = parcel
	parcel.Kind, parcel.Parcel = email.ParcelKind(3), email.ParcelLast
	letters["last-parcel"] = parcel
	for name, l := range letters {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ses.Render(l)
			require.NoError(t, err)
			golden(t, name+".txt", "Subject: "+got.Subject+"\n\n"+got.Text)
			golden(t, name+".html", got.HTML)
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

func TestRender_HostileText(t *testing.T) {
	t.Parallel()
	const rtlOverride, zeroWidth = "\u202e", "\u200b"
	tests := []struct {
		name, product string
		inText        string
	}{
		{"a script", "<script>alert(1)</script>", "<script>alert(1)</script>"},
		{"an attribute", `"><img src=x onerror=alert(1)>`, `"><img src=x onerror=alert(1)>`},
		{"a template", "{{.}}{{.OrderID}}", "{{.}}{{. OrderID}}"},
		{"a link", "javascript:alert(1)", "javascript: alert(1)"},
		{"a right-to-left override", "gpj" + rtlOverride + "exe", "gpjexe"},
		{"zero width characters", "pay" + zeroWidth + "pal\ufeff", "paypal"},
		{"line breaks", "a\r\nBcc: x@example.com\u2028b\x0bc", "a Bcc: x @ example. com b c"},
		{"control characters", "a\x00b\x1b[31mc\x7f", "ab[31mc"},
		{"emoji", "Cat 🐈", "Cat 🐈"},
		{"broken UTF-8", "a\xffb", "a�b"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := letter(email.KindConfirmation)
			l.Lines = []email.LetterLine{{ProductName: test.product, Quantity: 1, UnitPrice: "1.00"}}
			l.AddressLines = []string{test.product}
			got, err := ses.Render(l)
			require.NoError(t, err)
			require.Contains(t, got.Text, "1 x "+test.inText+",")
			harmless(t, got)
		})
	}
}

// harmless holds an email to what no input may break.
func harmless(t *testing.T, got ses.Rendered) {
	t.Helper()
	for _, tag := range []string{"<script", "<img", "<a ", "onerror=alert(1)>"} {
		require.NotContains(t, got.HTML, tag)
	}
	require.NotRegexp(t, regexp.MustCompile(`[\x00-\x08\x0b-\x1f\x7f\x{202a}-\x{202e}\x{2066}-\x{2069}\x{200b}\x{feff}\x{2028}]`), got.HTML+got.Text+got.Subject)
	require.NotContains(t, got.Subject, "\n")
	require.True(t, utf8.ValidString(got.HTML+got.Text+got.Subject))
}

func TestRender_CleansEveryField(t *testing.T) {
	t.Parallel()
	const evil = "x\r\n\u202e<script>alert(1)</script>\x00"
	for _, kind := range email.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			got, err := ses.Render(email.Letter{
				OrderID: evil, Kind: kind, Name: evil, Reason: evil, Shipment: order.Shipment{Carrier: evil, TrackingNumber: evil}, Country: evil,
				AddressLines: []string{evil}, Total: order.Money{Minor: 1, Currency: "USD"},
				Lines: []email.LetterLine{{ProductName: evil, Quantity: 1, UnitPrice: evil}},
			})
			require.NoError(t, err)
			harmless(t, got)
		})
	}
}

func TestRender_BoundsLongInput(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("語", 10<<10)
	l := letter(email.KindShipment)
	l.Name, l.Carrier, l.TrackingNumber, l.Country = long, long, long, long
	l.AddressLines = slicesOf(long, 1000)
	l.Lines = nil
	for range 500 {
		l.Lines = append(l.Lines, email.LetterLine{ProductName: long, Quantity: 1, UnitPrice: "1.00"})
	}
	got, err := ses.Render(l)
	require.NoError(t, err)
	require.Less(t, len(got.Text)+len(got.HTML), 200<<10)
	require.Contains(t, got.Text, "and 400 more")
	require.Contains(t, got.HTML, "and 400 more")
}

func slicesOf(s string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = s
	}
	return all
}

func TestRender_OmitsNameThatCouldBeALink(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Win at http://evil.example", "www.evil.example", "a@evil.example", "evil.example/win", " ", "Claim your prize at bad-shop.com",
		"Win at bad-shop。com", "bitcoin:1A1z", "Go to 192.0.2.1"} {
		l := letter(email.KindConfirmation)
		l.Name = name
		got, err := ses.Render(l)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(got.Text, "Hello,\n"), name)
	}
}

func TestRender_UnknownKind(t *testing.T) {
	t.Parallel()
	_, err := ses.Render(letter("../layout"))
	require.ErrorContains(t, err, "no template")
}
