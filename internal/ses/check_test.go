package ses_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// accountServer is an SES that responds to a request for the account with a status, an
// error code and a body.
func accountServer(t *testing.T, status int, code, body string) (url string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != "/v2/email/account" {
			t.Errorf("the check requests %s %s", r.Method, r.URL.Path)
		}
		w.Header().Set("X-Amzn-Errortype", code)
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestCheckAccount(t *testing.T) {
	for _, test := range []struct {
		name       string
		status     int
		code, body string
		note, want string
		blocked    bool
	}{
		{"passes an account that may send", 200, "", `{"SendingEnabled":true,"ProductionAccessEnabled":true}`, "", "", false},
		{"notes the sandbox", 200, "", `{"SendingEnabled":true}`, "the account is in the sandbox, which sends to verified addresses only", "", false},
		{"refuses a paused account", 200, "", `{"ProductionAccessEnabled":true}`, "", "sending is paused for the account", true},
		{
			"passes a role that may send and not read the account", 403, "AccessDeniedException", `{"message":"not authorized"}`,
			"credentials accepted; without ses:GetAccount it is unknown whether the account may send", "", false,
		},
		{"refuses unknown credentials", 403, "UnrecognizedClientException", `{}`, "", "ses refuses the credentials (UnrecognizedClientException)", true},
		{"refuses expired credentials", 400, "ExpiredTokenException", `{}`, "", "ses refuses the credentials (ExpiredTokenException)", true},
		{"may be repeated if SES is busy", 429, "TooManyRequestsException", `{}`, "", "ses does not respond (TooManyRequestsException)", false},
		{"may be repeated after an error of SES", 500, "InternalFailure", `{}`, "", "ses does not respond (InternalFailure)", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			note, err := openAt(t, accountServer(t, test.status, test.code, test.body)).CheckAccount(t.Context())
			require.Equal(t, test.note, note)
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, test.want)
			_, operator := err.(interface{ Blocked() bool })
			require.Equal(t, test.blocked, operator)
		})
	}
	t.Run("may be repeated if SES is out of reach", func(t *testing.T) {
		_, err := openAt(t, "http://127.0.0.1:1").CheckAccount(t.Context())
		require.EqualError(t, err, "ses does not respond (dial)")
	})
}
