package sessim

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Account is what the stand-in says about its account. Nothing in it changes which
// messages are accepted: faults do that.
type Account struct {
	Sandbox        bool
	SendingPaused  bool
	Enforcement    string // HEALTHY, PROBATION or SHUTDOWN
	Max24HourSend  float64
	MaxSendRate    float64
	AnyIdentity    bool                // every domain that Identities does not name is verified
	Identities     map[string]Identity // by address or domain, in lower case
	AnySet         bool                // every configuration set exists and sends
	Sets           map[string]Set      // by name
	DeniedActions  []string            // such as GetAccount: calls that these credentials may not make
	RefuseAllCalls string              // a code such as UnrecognizedClientException: the credentials are not known
}

// Identity is an address or a domain that was added to the account.
type Identity struct {
	Verified bool
	DKIM     string // SUCCESS, PENDING, FAILED, TEMPORARY_FAILURE or NOT_STARTED
}

// Set is a configuration set.
type Set struct{ SendingPaused bool }

// DefaultAccount returns an account outside the sandbox with the default quota, in which
// every domain is verified and every configuration set exists.
func DefaultAccount() Account {
	return Account{Enforcement: "HEALTHY", Max24HourSend: 50_000, MaxSendRate: 14, AnyIdentity: true, AnySet: true}
}

// accountBox holds the account, which tests may replace while the server runs.
type accountBox struct {
	mu      sync.Mutex
	account Account
}

// SetAccount replaces what the stand-in says about its account.
func (s *Server) SetAccount(a Account) {
	s.account.mu.Lock()
	defer s.account.mu.Unlock()
	s.account.account = a
	s.account.account.Identities, s.account.account.Sets = maps.Clone(a.Identities), maps.Clone(a.Sets)
}

func (s *Server) currentAccount() Account {
	s.account.mu.Lock()
	defer s.account.mu.Unlock()
	return s.account.account
}

// refusal returns the error of a call that these credentials may not make.
func (a Account) refusal(action string) (apiError, bool) {
	switch {
	case a.RefuseAllCalls != "":
		return apiError{http.StatusForbidden, a.RefuseAllCalls, "The security token included in the request is invalid."}, true
	case slices.Contains(a.DeniedActions, action):
		return apiError{http.StatusForbidden, "AccessDeniedException", "The user is not authorized to perform: ses:" + action}, true
	default:
		return apiError{}, false
	}
}

func (s *Server) getAccount(w http.ResponseWriter, _ *http.Request) {
	a := s.currentAccount()
	if e, refused := a.refusal("GetAccount"); refused {
		writeError(w, e)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"DedicatedIpAutoWarmupEnabled": false,
		"EnforcementStatus":            a.Enforcement,
		"ProductionAccessEnabled":      !a.Sandbox,
		"SendingEnabled":               !a.SendingPaused,
		"SendQuota": map[string]float64{
			"Max24HourSend":   a.Max24HourSend,
			"MaxSendRate":     a.MaxSendRate,
			"SentLast24Hours": float64(s.inbox.since(time.Now().Add(-24 * time.Hour))),
		},
	})
}

func (s *Server) identity(w http.ResponseWriter, r *http.Request) {
	a, name := s.currentAccount(), strings.ToLower(r.PathValue("identity"))
	if e, refused := a.refusal("GetEmailIdentity"); refused {
		writeError(w, e)
		return
	}
	found, exists := a.Identities[name]
	kind := "DOMAIN"
	if strings.Contains(name, "@") {
		kind = "EMAIL_ADDRESS"
	} else if !exists && a.AnyIdentity {
		found, exists = Identity{Verified: true, DKIM: "SUCCESS"}, true
	}
	if !exists {
		writeError(w, apiError{http.StatusNotFound, "NotFoundException", "Email identity " + name + " does not exist."})
		return
	}
	verification := "PENDING"
	if found.Verified {
		verification = "SUCCESS"
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"IdentityType": kind, "VerifiedForSendingStatus": found.Verified, "VerificationStatus": verification,
		"FeedbackForwardingStatus": true,
		"DkimAttributes":           map[string]any{"SigningEnabled": found.DKIM != "NOT_STARTED", "Status": found.DKIM, "SigningAttributesOrigin": "AWS_SES"},
	})
}

func (s *Server) configurationSet(w http.ResponseWriter, r *http.Request) {
	a, name := s.currentAccount(), r.PathValue("set")
	if e, refused := a.refusal("GetConfigurationSet"); refused {
		writeError(w, e)
		return
	}
	found, exists := a.Sets[name]
	if !exists && !a.AnySet {
		writeError(w, apiError{http.StatusNotFound, "NotFoundException", "Configuration set <" + name + "> does not exist."})
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"ConfigurationSetName": name, "SendingOptions": map[string]bool{"SendingEnabled": !found.SendingPaused},
	})
}
