package workflows

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"go.temporal.io/sdk/converter"

	"orderflow/internal/order"
)

// maxNote and maxCarrier bound free text, in characters; maxMessage bounds a whole message, in bytes.
const (
	maxNote    = 200
	maxCarrier = 64
	maxMessage = 4 << 10
)

// CancelOrder asks to undo an order. Reason is the operator's own code.
type CancelOrder struct {
	Reason string `json:"reason"`
}

// RecordShipment says that the order has left with a carrier.
type RecordShipment struct {
	Carrier        string `json:"carrier"`
	TrackingNumber string `json:"trackingNumber"`
}

// ApproveCredit lets a held order pass although its credit does not suffice. Its note is accepted, for senders that have one, and
// ignored.
type ApproveCredit struct {
	By   string `json:"by"`
	Note string `json:"note"`
}

// DeclineCredit refuses a held order. Its note is accepted and ignored too.
type DeclineCredit struct {
	By   string `json:"by"`
	Note string `json:"note"`
}

type message interface {
	CancelOrder | RecordShipment | ApproveCredit | DeclineCredit
	validate() error
}

func (m CancelOrder) validate() error { return code("reason", m.Reason) }

func (m RecordShipment) validate() error {
	return faults(carrier("carrier", m.Carrier), label("trackingNumber", m.TrackingNumber))
}

func (m ApproveCredit) validate() error { return faults(code("by", m.By), note("note", m.Note)) }
func (m DeclineCredit) validate() error { return faults(code("by", m.By), note("note", m.Note)) }

// faults makes one line of all that is wrong, for whoever sent the message reads it in a terminal.
func faults(errs ...error) error {
	var texts []string
	for _, err := range errs {
		if err != nil {
			texts = append(texts, err.Error())
		}
	}
	if len(texts) == 0 {
		return nil
	}
	return errors.New(strings.Join(texts, ", "))
}

// code accepts ids and codes only: messages stay in the history, where a name or an address must not be.
func code(field, value string) error {
	switch {
	case value == "":
		return fmt.Errorf("%s: must not be empty", field)
	case !order.ValidCode(value):
		return fmt.Errorf("%s: must be 1 to 64 of [A-Za-z0-9._-]", field)
	}
	return nil
}

// carrier accepts what carriers call themselves, in any script: Österreichische Post.
func carrier(field, value string) error {
	switch {
	case value == "":
		return fmt.Errorf("%s: must not be empty", field)
	case utf8.RuneCountInString(value) > maxCarrier, value != strings.TrimSpace(value),
		strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("%s: must be 1 to %d printable characters, without blanks around them", field, maxCarrier)
	}
	return nil
}

// label accepts what carriers call their parcels.
func label(field, value string) error {
	switch {
	case value == "":
		return fmt.Errorf("%s: must not be empty", field)
	case !labelPattern().MatchString(value):
		return fmt.Errorf("%s: must be 1 to 64 of letters, digits, blanks and ._-/&+", field)
	}
	return nil
}

func labelPattern() *regexp.Regexp {
	return regexp.MustCompile(`^[A-Za-z0-9._/&+-]([A-Za-z0-9 ._/&+-]{0,62}[A-Za-z0-9._/&+-])?$`)
}

func note(field, value string) error {
	switch {
	case utf8.RuneCountInString(value) > maxNote:
		return fmt.Errorf("%s: must have at most %d characters", field, maxNote)
	case strings.ContainsRune(value, '@'):
		return fmt.Errorf("%s: must not contain an @: notes are no place for addresses", field)
	}
	return nil
}

// decodeMessage reads a message strictly: the CLI sends whatever was typed, and a misspelt field must not pass as empty.
// The experimental JSON library is used because encoding/json folds the case of names and takes the last of two.
// What it caches about types, which workflowcheck reports, has no say in what it decodes.
//
//workflowcheck:ignore
func decodeMessage[M message](raw converter.RawValue) (M, error) {
	var m M
	payload := raw.Payload()
	if encoding := string(payload.GetMetadata()[converter.MetadataEncoding]); encoding != converter.MetadataEncodingJSON {
		return m, errors.New("message: must be one JSON object")
	}
	data := bytes.TrimSpace(payload.GetData())
	switch {
	case len(data) > maxMessage:
		return m, fmt.Errorf("message: must have at most %d bytes", maxMessage)
	case !bytes.HasPrefix(data, []byte("{")):
		return m, errors.New("message: must be one JSON object")
	}
	if err := json.Unmarshal(data, &m, json.RejectUnknownMembers(true)); err != nil {
		return m, fault(err)
	}
	return m, m.validate()
}

// fault names the field and the kind of its value, and neither the Go type nor the value.
func fault(err error) error {
	var wrong *json.SemanticError
	if !errors.As(err, &wrong) {
		return fmt.Errorf("message: %w", err)
	}
	field := strings.TrimPrefix(string(wrong.JSONPointer), "/")
	if !namePattern().MatchString(field) {
		field = "a field" // whatever was typed there goes to logs
	}
	if errors.Is(err, json.ErrUnknownName) {
		return fmt.Errorf("%s: is unknown", field)
	}
	return fmt.Errorf("%s: must be a string, is %s", field, kindName(wrong.JSONKind))
}

func namePattern() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z]{1,32}$`) }

// kindName says what a value is; the library names kinds by their first character.
func kindName(kind jsontext.Kind) string {
	switch kind {
	case '0':
		return "a number"
	case '{':
		return "an object"
	case '[':
		return "an array"
	case 'n':
		return "null"
	default:
		return "a boolean"
	}
}
