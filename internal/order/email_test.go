package order_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/order"
)

// withAddresses returns placedBody with these billing and shipping addresses.
func withAddresses(t *testing.T, billing, shipping string) string {
	t.Helper()
	quote := func(s string) string {
		quoted, err := json.Marshal(s)
		require.NoError(t, err)
		return string(quoted)
	}
	return with(t, `"Bill.To@Example.com"`, quote(billing), `"ship.to@example.com"`, quote(shipping))
}

func TestEmailAddress_First(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ billing, shipping, want string }{
		"the billing one first":          {"a@example.com", "b@example.com", "a@example.com"},
		"shipping when none":             {"", "b@example.com", "b@example.com"},
		"shipping when it is no address": {"nobody", "b@example.com", "b@example.com"},
		"spaces around it":               {"  a@example.com ", "", "a@example.com"},
		"any white space around it":      {"\u00a0\t\r\n a@example.com\u3000\n", "", "a@example.com"},
		"the domain in lower case":       {"A.B@EXAMPLE.Com", "", "A.B@example.com"},
		"tags and odd local parts":       {"o'neil+tag_1=x!@sub.example.com", "", "o'neil+tag_1=x!@sub.example.com"},
		"punycode":                       {"a@xn--bcher-kva.example.com", "", "a@xn--bcher-kva.example.com"},
		"a domain beyond ASCII":          {"mira@bücher.example", "", "mira@xn--bcher-kva.example"},
		"one in capitals":                {"Mira@BÜCHER.Example", "", "Mira@xn--bcher-kva.example"},
		"one in two code points":         {"mira@bu\u0308cher.example", "", "mira@xn--bcher-kva.example"},
		"one with ideographic points":    {"mira@例え。テスト", "", "mira@xn--r8jz45g.xn--zckzah"},
		"one with a zero width space":    {"mira@b\u200bücher.example", "", "mira@xn--bcher-kva.example"},
		"digits in the domain":           {"a@1.example.com", "", "a@1.example.com"},
		"the longest":                    {strings.Repeat("a", 64) + "@" + strings.Repeat("b", 255), "", strings.Repeat("a", 64) + "@" + strings.Repeat("b", 255)},
		"punycode longer than allowed":   {strings.Repeat("a", 310) + "@ü.com", "", strings.Repeat("a", 310) + "@ü.com"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, decode(t, withAddresses(t, test.billing, test.shipping)).Email)
		})
	}
}

// An address that SES rejects fails the email and not the order.
func TestEmailAddress_ProviderChecksTheRest(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"@example.com", "a@", "@", "a@localhost", "Ada <a@example.com>", "<a@example.com>", "a@example.com (ada)",
		"all: a@example.com;", `"a b"@example.com`, "a@[127.0.0.1]", "a @example.com", "bär@example.com", "a..b@example.com",
		"a@example..com", "a@example-.com", "a@-example.com", "a@exam_ple.com", "a@" + strings.Repeat("b", 64) + ".com",
		strings.Repeat("a", 65) + "@example.com", "a@" + strings.Repeat("b.", 126) + "com", "a@\u202eexample.com",
	} {
		t.Run(address, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, address, decode(t, withAddresses(t, address, "ship.to@example.com")).Email)
		})
	}
}

func TestEmailAddress_Required(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"nothing":               "",
		"spaces":                "   ",
		"no at":                 "example.com",
		"two ats":               "a@b@example.com",
		"two addresses":         "a@example.com, b@example.com",
		"a header smuggled in":  "a@example.com\r\nBcc: b",
		"character 0":           "a@example.com\x00",
		"a tab":                 "a\t@example.com",
		"a C1 control":          "a@example.com\u0085x",
		"321 bytes":             strings.Repeat("a", 309) + "@example.com",
		"321 bytes, in letters": strings.Repeat("ä", 154) + "a@example.com",
	}
	for name, address := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := order.DecodePlaced(stream, jsonType, []byte(withAddresses(t, address, address)))
			requireInvalid(t, err, "billing.recipient.emailAddress",
				"must be a usable e-mail address, here or at shipping.recipient.emailAddress")
		})
	}
}
