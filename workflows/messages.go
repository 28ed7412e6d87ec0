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

// maxNote and maxCarrier limit free text, in characters; maxMessage limits a whole
// message, in bytes.
const (
	maxNote    = 200
	maxCarrier = 64
	maxMessage = 4 << 10
)

// CancelOrder cancels an order. Reason is the operator's own code.
type CancelOrder struct {
	Reason string `json:"reason"`
}

// RecordShipment records that the order has left with a carrier.
type RecordShipment order.Shipment

// ApproveCredit approves a held order although its credit does not suffice. Its note is
// accepted, for senders that have one, and ignored.
type ApproveCredit struct {
	By   string `json:"by"`
	Note string `json:"note"`
}

// DeclineCredit declines a held order. Its note is accepted and ignored too.
type DeclineCredit struct {
	By   string `json:"by"`
	Note string `json:"note"`
}

type message interface {
	CancelOrder | RecordShipment | ApproveCredit | DeclineCredit
	validate() error
}

func (m CancelOrder) validate() error { return checkCode("reason", m.Reason) }

func (m RecordShipment) validate() error {
	return joinFaults(checkCarrier("carrier", m.Carrier), checkLabel("trackingNumber", m.TrackingNumber))
}

func (m ApproveCredit) validate() error {
	return joinFaults(checkCode("by", m.By), checkNote("note", m.Note))
}
func (m DeclineCredit) validate() error {
	return joinFaults(checkCode("by", m.By), checkNote("note", m.Note))
}

// joinFaults joins all faults in one line, because the sender of the message reads it in
// a terminal.
func joinFaults(errs ...error) error {
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

// checkCode accepts ids and codes only: messages stay in the history, which must not
// contain a name or an address.
func checkCode(field, value string) error {
	switch {
	case value == "":
		return fmt.Errorf("%s: must not be empty", field)
	case !order.ValidCode(value):
		return fmt.Errorf("%s: %w", field, order.ErrInvalidCode)
	}
	return nil
}

// checkCarrier accepts names of carriers, in any script: Österreichische Post.
func checkCarrier(field, value string) error {
	switch {
	case value == "":
		return fmt.Errorf("%s: must not be empty", field)
	case utf8.RuneCountInString(value) > maxCarrier, value != strings.TrimSpace(value),
		strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fmt.Errorf("%s: must be 1 to %d printable characters, without blanks around them", field, maxCarrier)
	}
	return nil
}

// checkLabel accepts tracking numbers.
func checkLabel(field, value string) error {
	switch {
	case value == "":
		return fmt.Errorf("%s: must not be empty", field)
	case !labelPattern.MatchString(value):
		return fmt.Errorf("%s: must be 1 to 64 of letters, digits, blanks and ._-/&+", field)
	}
	return nil
}

var labelPattern = regexp.MustCompile(`^[A-Za-z0-9._/&+-]([A-Za-z0-9 ._/&+-]{0,62}[A-Za-z0-9._/&+-])?$`)

func checkNote(field, value string) error {
	switch {
	case utf8.RuneCountInString(value) > maxNote:
		return fmt.Errorf("%s: must have at most %d characters", field, maxNote)
	case strings.ContainsRune(value, '@'):
		return fmt.Errorf("%s: must not contain an @: do not put addresses in notes", field)
	}
	return nil
}

// decodeMessage decodes a message strictly: the CLI sends whatever the operator typed,
// and a misspelled field must not pass as empty. It uses the experimental JSON library
// because encoding/json matches names case-insensitively and takes the last of two
// duplicates. workflowcheck reports that library's cache of types, which does not affect
// what it decodes.
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
		return m, decodeError(err)
	}
	return m, m.validate()
}

// decodeError returns an error with the field and the kind of its value, without the Go
// type or the value.
func decodeError(err error) error {
	var wrong *json.SemanticError
	if !errors.As(err, &wrong) {
		return fmt.Errorf("message: %w", err)
	}
	field := strings.TrimPrefix(string(wrong.JSONPointer), "/")
	if !namePattern.MatchString(field) {
		field = "a field" // the name is the sender's text, and the error goes to logs
	}
	if errors.Is(err, json.ErrUnknownName) {
		return fmt.Errorf("%s: is unknown", field)
	}
	return fmt.Errorf("%s: must be a string, is %s", field, kindName(wrong.JSONKind))
}

var namePattern = regexp.MustCompile(`^[A-Za-z]{1,32}$`)

// kindName returns the name of a JSON kind; the library represents kinds by their first
// character.
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
