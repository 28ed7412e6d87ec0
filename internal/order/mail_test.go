package order_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/order"
)

// mailTo is an order with these billing and shipping addresses.
func mailTo(t *testing.T, billing, shipping string) string {
	t.Helper()
	quote := func(s string) string {
		quoted, err := json.Marshal(s)
		require.NoError(t, err)
		return string(quoted)
	}
	return with(t, `"Bill.To@Example.com"`, quote(billing), `"ship.to@example.com"`, quote(shipping))
}

func TestTheOrderIsWrittenToTheFirstUsableAddress(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 64) + "@" + strings.Repeat(strings.Repeat("b", 61)+".", 4) + "com"
	tests := map[string]struct{ billing, shipping, want string }{
		"the billing one first":      {"a@example.com", "b@example.com", "a@example.com"},
		"shipping when none":         {"", "b@example.com", "b@example.com"},
		"shipping when unusable":     {"nobody", "b@example.com", "b@example.com"},
		"spaces around it":           {"  a@example.com ", "", "a@example.com"},
		"the domain in small":        {"A.B@EXAMPLE.Com", "", "A.B@example.com"},
		"tags and odd local parts":   {"o'neil+tag_1=x!@sub.example.com", "", "o'neil+tag_1=x!@sub.example.com"},
		"punycode":                   {"a@xn--bcher-kva.example.com", "", "a@xn--bcher-kva.example.com"},
		"the longest":                {long, "", long},
		"digits in the domain":       {"a@1.example.com", "", "a@1.example.com"},
		"an apostrophe in the local": {"d'arc@example.com", "", "d'arc@example.com"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, decode(t, mailTo(t, test.billing, test.shipping)).Email)
		})
	}
}

func TestAnOrderWithoutAUsableAddressIsRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"nothing":                  "",
		"spaces":                   "   ",
		"no at":                    "example.com",
		"no local part":            "@example.com",
		"no domain":                "a@",
		"a single label":           "a@localhost",
		"two ats":                  "a@b@example.com",
		"a display name":           "Ada <a@example.com>",
		"angle brackets":           "<a@example.com>",
		"a comment":                "a@example.com (Ada)",
		"two addresses":            "a@example.com, b@example.com",
		"two addresses, semicolon": "a@example.com; b@example.com",
		"a group":                  "all: a@example.com;",
		"a quoted local part":      `"a b"@example.com`,
		"an address literal":       "a@[127.0.0.1]",
		"a header smuggled in":     "a@example.com\r\nBcc: b@example.com",
		"a new line at the end":    "a@example.com\n",
		"character 0":              "a@example.com\x00",
		"a tab":                    "a\t@example.com",
		"a space inside":           "a @example.com",
		"beyond ASCII, local":      "bär@example.com",
		"beyond ASCII, domain":     "a@bär.example.com",
		"points in a row":          "a..b@example.com",
		"empty label":              "a@example..com",
		"label ends with a hyphen": "a@example-.com",
		"label begins with one":    "a@-example.com",
		"an underscore":            "a@exam_ple.com",
		"a long label":             "a@" + strings.Repeat("b", 64) + ".com",
		"a long local part":        strings.Repeat("a", 65) + "@example.com",
		"a long domain":            "a@" + strings.Repeat("b.", 126) + "com",
		"too long":                 strings.Repeat("a", 400) + "@example.com",
	}
	for name, address := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := order.DecodePlaced(stream, jsonType, []byte(mailTo(t, address, address)))
			requireInvalid(t, err, "billing.recipient.emailAddress",
				"must be a usable e-mail address, here or at shipping.recipient.emailAddress")
		})
	}
}
