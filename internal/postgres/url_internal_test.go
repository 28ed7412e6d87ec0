package postgres

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzParseURL reads connection strings. None that is accepted lets an attacker in between
// switch TLS off, and no error quotes one.
func FuzzParseURL(f *testing.F) {
	f.Add("postgres://user:password@db.example.com:5432/orders?sslmode=verify-full")
	f.Add("host=db.example.com user=u password='p w' target_session_attrs=standby")
	f.Fuzz(func(t *testing.T, url string) {
		if lower := strings.ToLower(url); strings.Contains(lower, "file") || strings.Contains(lower, "ssl") && strings.Contains(lower, "/") ||
			strings.Contains(lower, "service") {
			return // or a file of this machine would be read
		}
		settings, err := parseURL(url)
		if err != nil {
			require.Contains(t, []string{errMalformedURL.Error(), errDowngrade.Error()}, err.Error())
			return
		}
		encrypted, plain := remoteTLS(settings.ConnConfig)
		require.False(t, encrypted && plain)
		require.NotNil(t, settings.ConnConfig.OnPgError)
		if value, ok := sessionAttributes(url); !ok || value != "any" {
			require.NotNil(t, settings.ConnConfig.ValidateConnect, "connections go to servers that take writes, unless the URL says otherwise")
		}
	})
}
