package ses

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/sesv2"
)

// operatorError is an error that no retry clears until an operator has changed something.
type operatorError string

// Error returns the text.
func (e operatorError) Error() string { return string(e) }

// Blocked reports true.
func (operatorError) Blocked() bool { return true }

// accessDenied is the code for a caller whom AWS knows and who lacks the right.
const accessDenied = "AccessDeniedException"

// CheckAccount returns nil if SES responds, accepts the credentials, and may send. It
// sends nothing. The right to read the account (ses:GetAccount) is not one that sending
// requires: without it the note says that only the credentials were checked.
func (m *Mailer) CheckAccount(ctx context.Context) (note string, err error) {
	ctx, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	account, err := m.client.GetAccount(ctx, &sesv2.GetAccountInput{})
	status, code, _ := parseResponse(err)
	switch {
	case err == nil && !account.SendingEnabled:
		return "", operatorError("sending is paused for the account")
	case err == nil && !account.ProductionAccessEnabled:
		return "the account is in the sandbox, which sends to verified addresses only", nil
	case err == nil:
		return "", nil
	case code == accessDenied:
		return "credentials accepted; without ses:GetAccount it is unknown whether the account may send", nil
	case status >= 400 && status < 500 && !isThrottling(code):
		return "", operatorError(fmt.Sprintf("ses refuses the credentials (%s)", failureCode(code, status, err)))
	default:
		return "", fmt.Errorf("ses does not respond (%s)", failureCode(code, status, err))
	}
}
