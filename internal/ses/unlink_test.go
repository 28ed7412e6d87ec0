package ses_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
	"mvdan.cc/xurls/v2"
	"pgregory.net/rapid"

	"orderflow/internal/email"
	"orderflow/internal/ses"
)

// advertising is a letter whose customer typed the text wherever one can.
func advertising(kind email.Kind, text string) email.Letter {
	l := letter(kind)
	l.Name, l.Country = text, text
	l.AddressLines = []string{text, "1015 CN " + text}
	l.Lines = []email.LetterLine{{ProductName: text, Quantity: 1, UnitPrice: "1.00"}, {ProductName: text + " (2 pcs)", Quantity: 1, UnitPrice: "1.00"}}
	return l
}

// links is what a linkifier makes of both parts of an email.
func links(t require.TestingT, l email.Letter) []string {
	got, err := ses.Render(l)
	require.NoError(t, err)
	shown := shownText(t, got.HTML)
	var found []string
	for _, linkifier := range []interface {
		FindAllString(s string, n int) []string
	}{xurls.Relaxed(), xurls.Strict()} {
		for _, text := range []string{got.Subject, got.Text, shown} {
			found = append(found, linkifier.FindAllString(text, -1)...)
		}
	}
	return found
}

// shownText is the text of an HTML page, element by element.
func shownText(t require.TestingT, page string) string {
	root, err := html.Parse(strings.NewReader(page))
	require.NoError(t, err)
	var b strings.Builder
	for node := range root.Descendants() {
		if node.Type == html.TextNode {
			b.WriteString(node.Data + "\n")
		}
	}
	return b.String()
}

func TestUnlink(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"Claim your prize at bad-shop.com": "Claim your prize at bad-shop. com",
		"https://bad-shop.com/win?a=b.c#d": "https: / /bad-shop. com/win?a=b.c#d",
		"HTTP://BAD-SHOP.COM":              "HTTP: / /BAD-SHOP. COM",
		"//192.1/win":                      "/ /192.1/win",
		"www.bad-shop.co.uk":               "www. bad-shop. co. uk",
		"win@bad-shop.com":                 "win @ bad-shop. com",
		"mailto:win@bad":                   "mailto: win @ bad",
		"tel:+4989123456":                  "tel: +4989123456",
		"bad-shop.com.":                    "bad-shop. com.",
		"(bad-shop.com),next.org":          "(bad-shop. com),next. org",
		"bücher.example":                   "bücher. example",
		"bad.xn--p1ai":                     "bad. xn--p1ai",
		"плохо.рф":                         "плохо. рф",
		"例え。テスト":                           "例え。 テスト",
		"ｂａｄ．ｃｏｍ":                          "ｂａｄ． ｃｏｍ",
		"bad\u200b.\u2060com":              "bad. com", // what cannot be seen has gone before
		"192.0.2.1/win":                    "192. 0. 2. 1/win",
		"[2001:db8::1]":                    "[2001:db8: :1]",
		"1:2:3:4:5:6:7:8":                  "1: 2: 3: 4: 5: 6: 7: 8",
		"fe80::1":                          "fe80: :1",
		"::bad-shop":                       ": :bad-shop", // ::bad is an address
		"ftp.bad-shop.com:21":              "ftp. bad-shop. com: 21",
		"Dr.Smith":                         "Dr. Smith",
	} {
		l := letter(email.KindConfirmation)
		l.AddressLines = []string{typed}
		got, err := ses.Render(l)
		require.NoError(t, err)
		require.Contains(t, got.Text, "\n  "+want+"\n", typed)
		require.Empty(t, links(t, advertising(email.KindConfirmation, typed)), typed)
	}
}

func TestUnlink_KeepsOrdinaryText(t *testing.T) {
	t.Parallel()
	for _, typed := range []string{
		"USB 3.0 Hub 2.5m", "St. Ives", "P.O. Box 7", "U.S.A.", "J.R.R. Tolkien", "No.12", "1:24 Porsche 911", "10:30", "12:30:45",
		".NET for beginners", "Wait...", "1.2.3", "Käthe-Kollwitz-Str. 3", "A/B", "A // B", "50 % off", "C++ & C#", "@home", "Size: L", "Ø 1.5–2.5mm",
	} {
		l := letter(email.KindConfirmation)
		l.AddressLines = []string{typed}
		l.Lines[0].ProductName = typed
		got, err := ses.Render(l)
		require.NoError(t, err)
		require.Contains(t, got.Text, "\n  "+typed+"\n")
		require.Contains(t, got.Text, "2 x "+typed+",")
		require.Empty(t, links(t, l), typed)
	}
}

func TestUnlink_LeavesNothingToALinkifier(t *testing.T) {
	t.Parallel()
	parts := rapid.SampledFrom([]string{
		"bad-shop", "www", "com", "co", "uk", "example", "xn--p1ai", "рф", "テスト", "ä", "a", "1", "192", "fe80", "http", "https", "mailto", "ftp", "bitcoin",
		".", ".", ".", "。", "．", ":", ":", "/", "//", "@", "-", "_", "?", "#", "%20", "(", ")", "[", "]", "<", ">", "\"", "'", ",", " ", "\u200b", "\u00ad", "\ufe0f", "\n",
	})
	rapid.Check(t, func(t *rapid.T) {
		typed := strings.Join(rapid.SliceOfN(parts, 1, 30).Draw(t, "typed"), "")
		kind := rapid.SampledFrom(email.Kinds()).Draw(t, "kind")
		require.Empty(t, links(t, advertising(kind, typed)), "%q", typed)
	})
}

func TestRender_GreetsOrdinaryNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Dr Jane Doe", "J. R. R. Tolkien", "Herr Dr. Müller-Lüdenscheidt jr.", "María José O'Neil", "李小龙"} {
		l := letter(email.KindConfirmation)
		l.Name = name
		got, err := ses.Render(l)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(got.Text, "Dear "+name+",\n"), name)
	}
}
