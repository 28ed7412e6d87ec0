package ses

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/mail"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
)

// What a call of an Inspector can fail with. An error of another kind means that SES did
// not respond, or cannot do it now.
var (
	// ErrCredentials means that SES does not accept the credentials at all.
	ErrCredentials = errors.New("ses refuses the credentials")
	// ErrDenied means that the credentials lack the right to make the call.
	ErrDenied = errors.New("the credentials lack the right")
	// ErrNotFound means that SES has no such resource.
	ErrNotFound = errors.New("ses has no such resource")
)

// AccountState is the state of an account in a region.
type AccountState struct {
	Production     bool   // outside the sandbox
	Sending        bool   // enabled
	Enforcement    string // HEALTHY, PROBATION or SHUTDOWN
	DailyQuota     float64
	SentToday      float64
	MaxRate        float64 // emails per second
	Now            time.Time
	ResponseHasNow bool
}

// IdentityState is the state of the identity that a sender belongs to.
type IdentityState struct {
	Name       string // the domain, or "the address itself": an address is personal data
	Verified   bool
	DKIM       string // status
	DKIMSigned bool
}

// SetState is the state of a configuration set.
type SetState struct{ Sending bool }

// Inspector reads an account's settings. It sends and changes nothing. It is safe for
// concurrent use.
type Inspector struct {
	mailer *Mailer
	sender string // the bare address
}

// OpenInspector checks the settings like Open, and does not call SES.
func OpenInspector(ctx context.Context, c Config) (*Inspector, error) {
	mailer, err := Open(ctx, c)
	if err != nil {
		return nil, err
	}
	parsed, err := mail.ParseAddress(mailer.from)
	if err != nil {
		return nil, fmt.Errorf("parse the sender: %w", errAddressForm)
	}
	return &Inspector{mailer: mailer, sender: parsed.Address}, nil
}

// ConfigurationSet returns the name of the configuration set. It is empty if there is
// none.
func (i *Inspector) ConfigurationSet() string { return aws.ToString(i.mailer.configurationSet) }

// Account reads the account's state.
func (i *Inspector) Account(ctx context.Context) (AccountState, error) {
	output, err := i.mailer.client.GetAccount(ctx, &sesv2.GetAccountInput{})
	if err != nil {
		return AccountState{}, i.describe("ses:GetAccount", err)
	}
	a := AccountState{
		Production: output.ProductionAccessEnabled, Sending: output.SendingEnabled, Enforcement: aws.ToString(output.EnforcementStatus),
	}
	a.Now, a.ResponseHasNow = middleware.GetServerTime(output.ResultMetadata)
	if output.SendQuota != nil {
		a.DailyQuota, a.SentToday, a.MaxRate = output.SendQuota.Max24HourSend, output.SendQuota.SentLast24Hours, output.SendQuota.MaxSendRate
	}
	return a, nil
}

// Identity reads the identity that SES uses for the sender: the address itself if it is
// one, and otherwise its domain or the nearest parent that is one. It returns ErrNotFound
// if there is none.
func (i *Inspector) Identity(ctx context.Context) (IdentityState, error) {
	names := identities(i.sender)
	for n, name := range names {
		output, err := i.mailer.client.GetEmailIdentity(ctx, &sesv2.GetEmailIdentityInput{EmailIdentity: aws.String(name)})
		if err != nil {
			err = i.describe("ses:GetEmailIdentity", err)
			if errors.Is(err, ErrNotFound) && n < len(names)-1 {
				continue
			}
			return IdentityState{}, err
		}
		if n == 0 {
			name = "the address itself"
		}
		return identityOf(name, output), nil
	}
	return IdentityState{}, ErrNotFound
}

func identityOf(name string, output *sesv2.GetEmailIdentityOutput) IdentityState {
	found := IdentityState{Name: name, Verified: output.VerifiedForSendingStatus, DKIM: string(types.DkimStatusNotStarted)}
	if output.DkimAttributes != nil {
		found.DKIM, found.DKIMSigned = string(output.DkimAttributes.Status), output.DkimAttributes.SigningEnabled
	}
	return found
}

// identities returns the identities that an address can belong to, the nearest first: a
// verified domain covers its subdomains. A top-level domain is never one.
func identities(address string) []string {
	names := []string{address}
	_, domain, _ := strings.Cut(address, "@")
	for labels := strings.Split(domain, "."); len(labels) > 1 || len(names) == 1; labels = labels[1:] {
		names = append(names, strings.Join(labels, "."))
	}
	return names
}

// ReadSet reads the configuration set.
func (i *Inspector) ReadSet(ctx context.Context) (SetState, error) {
	output, err := i.mailer.client.GetConfigurationSet(ctx, &sesv2.GetConfigurationSetInput{
		ConfigurationSetName: i.mailer.configurationSet,
	})
	if err != nil {
		return SetState{}, i.describe("ses:GetConfigurationSet", err)
	}
	return SetState{Sending: output.SendingOptions == nil || output.SendingOptions.SendingEnabled}, nil
}

// refusedCredentials are SES's codes for credentials that it does not know, or for a
// signature that it does not accept, as with a clock that is wrong.
var refusedCredentials = map[string]bool{
	"UnrecognizedClientException": true, "InvalidClientTokenId": true, "InvalidSignatureException": true, "SignatureDoesNotMatch": true,
	"ExpiredTokenException": true, "ExpiredToken": true, "MissingAuthenticationTokenException": true, "IncompleteSignatureException": true,
	"RequestExpired": true, "RequestTimeTooSkewed": true,
}

// describe returns an error with a kind, and without an address.
func (i *Inspector) describe(action string, err error) error {
	status, code, _ := parseResponse(err)
	switch {
	case refusedCredentials[code]:
		return fmt.Errorf("%s: %w (%s)", action, ErrCredentials, code)
	case status == http.StatusNotFound || code == "NotFoundException":
		return fmt.Errorf("%s: %w", action, ErrNotFound)
	case status == http.StatusForbidden:
		return fmt.Errorf("%w %s", ErrDenied, action)
	case status == 0 && failureCode("", 0, err) == "request": // never sent
		return fmt.Errorf("%s: %w: there are none", action, ErrCredentials)
	default:
		return fmt.Errorf("%s: %w", action, redact(err, i.sender))
	}
}
