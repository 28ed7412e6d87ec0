package ses

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"go.opentelemetry.io/otel/trace"

	"orderflow/internal/email"
	"orderflow/internal/failpoint"
	"orderflow/internal/order"
)

const (
	charset         = "UTF-8"
	maxMessageID    = 200 // real ones have 60 characters
	headerOrderID   = "X-Order-Id"
	codeOrderID     = "InvalidOrderID"
	codeRecipient   = "InvalidRecipient"
	codeTemplate    = "InvalidTemplate"
	codeNoMessageID = "NoMessageID"
)

// Mailer sends letters, each with one call to SES that is never retried. It is safe for
// concurrent use.
type Mailer struct {
	client           *sesv2.Client
	from             string
	replyTo          []string // at most one
	templates        *Templates
	configurationSet *string
	timeout          time.Duration
	tracer           trace.Tracer
}

// Send hands the letter to SES and returns SES's message id. Any error is an
// *email.SendError that says what is known about the email. It returns within the
// configured timeout, or when ctx ends.
func (m *Mailer) Send(ctx context.Context, letter email.Letter) (messageID string, err error) {
	input, err := m.input(letter)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	ctx, span := m.startSpan(ctx, letter)
	defer func() { endSpan(span, err) }()
	ctx, call := withCall(ctx)
	failpoint.Hit("worker.mail-send.before")
	output, err := m.client.SendEmail(ctx, input)
	if err != nil {
		return "", classify(err, call.connected(), letter.To)
	}
	failpoint.Hit("worker.mail-send.after")
	id := aws.ToString(output.MessageId)
	if !validMessageID(id) {
		return "", &email.SendError{Status: email.StatusUnknown, Code: codeNoMessageID, Err: errors.New("response without a message id")}
	}
	return id, nil
}

// validMessageID reports whether id can be stored and printed: SES's own are letters, digits
// and hyphens.
func validMessageID(id string) bool {
	return id != "" && len(id) <= maxMessageID && !strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' })
}

// input rejects what SES would only reject, or what a mail system could read in another
// way than this package.
func (m *Mailer) input(letter email.Letter) (*sesv2.SendEmailInput, error) {
	if !order.ValidID(letter.OrderID) {
		return nil, failed(codeOrderID, fmt.Errorf("order id: %w", order.ErrInvalidID))
	}
	to, err := checkRecipient(letter.To)
	if err != nil {
		return nil, failed(codeRecipient, err)
	}
	rendered, err := m.templates.Render(letter)
	if err != nil {
		// The letter is still valid: a worker of another version may have the template.
		return nil, &email.SendError{Status: email.StatusPending, Code: codeTemplate, RetryAfter: jitter(afterOperator), Err: err}
	}
	return &sesv2.SendEmailInput{
		FromEmailAddress:     aws.String(m.from),
		Destination:          &types.Destination{ToAddresses: []string{to}},
		ReplyToAddresses:     m.replyTo,
		ConfigurationSetName: m.configurationSet,
		Content: &types.EmailContent{Simple: &types.Message{
			Subject: content(rendered.Subject),
			Body:    &types.Body{Text: content(rendered.Text), Html: content(rendered.HTML)},
			Headers: headersOf(letter),
		}},
		EmailTags: tagsOf(letter),
	}, nil
}

// headersOf returns the headers that SES does not write itself. Auto-Submitted, of RFC 3834,
// and Exchange's own header keep absent recipients' programs from replying.
func headersOf(letter email.Letter) []types.MessageHeader {
	return []types.MessageHeader{
		{Name: aws.String(headerOrderID), Value: aws.String(letter.OrderID)},
		{Name: aws.String("Auto-Submitted"), Value: aws.String("auto-generated")},
		{Name: aws.String("X-Auto-Response-Suppress"), Value: aws.String("All")},
	}
}

func failed(code string, err error) *email.SendError {
	return &email.SendError{Status: email.StatusFailed, Code: code, Err: err}
}

func content(data string) *types.Content {
	return &types.Content{Data: aws.String(data), Charset: aws.String(charset)}
}
