package workflows

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"go.temporal.io/sdk/converter"

	"orderflow/internal/order"
)

// maxNote and maxCarrier limit free text, in characters; maxLines limits the lines of a
// shipment. maxMessage limits a whole message, in bytes, and maxShipment one with lines.
const (
	maxNote     = 200
	maxCarrier  = 64
	maxLines    = 500
	maxMessage  = 4 << 10
	maxShipment = 32 << 10
)

// CancelOrder cancels an order. Reason is the operator's own code.
type CancelOrder struct {
	Reason string `json:"reason"`
}

// RecordShipment records that a parcel of the order has left with a carrier: the given
// quantities of its lines or, without lines, all that is left of it.
type RecordShipment struct {
	Carrier        string             `json:"carrier"`
	TrackingNumber string             `json:"trackingNumber"`
	Lines          []order.ParcelLine `json:"lines,omitempty"`
}

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

// Message is one of the messages that an order accepts.
type Message interface {
	CancelOrder | RecordShipment | ApproveCredit | DeclineCredit
	validate() error
}

func (m CancelOrder) validate() error { return checkCode("reason", m.Reason) }

func (m RecordShipment) validate() error {
	return joinFaults(checkCarrier("carrier", m.Carrier), checkLabel("trackingNumber", m.TrackingNumber), checkLines(m.Lines))
}

func (m ApproveCredit) validate() error {
	return joinFaults(checkCode("by", m.By), checkNote("note", m.Note))
}
func (m DeclineCredit) validate() error {
	return joinFaults(checkCode("by", m.By), checkNote("note", m.Note))
}

// Validate returns an error unless the message's values follow its rules. The error wraps a
// *FieldError for each fault.
func Validate[M Message](m M) error { return m.validate() }

// FieldError is a fault of one field of a message. It never repeats the field's value.
type FieldError struct {
	Field  string
	Reason string // such as "must not be empty"
}

// Error returns the field and the reason: "carrier: must not be empty".
func (e *FieldError) Error() string { return e.Field + ": " + e.Reason }

func fieldError(field, format string, args ...any) error {
	return &FieldError{Field: field, Reason: fmt.Sprintf(format, args...)}
}

// faults are joined in one line, because the sender of the message reads it in a terminal.
type faults []error

func (f faults) Error() string {
	texts := make([]string, len(f))
	for i, err := range f {
		texts[i] = err.Error()
	}
	return strings.Join(texts, ", ")
}

func (f faults) Unwrap() []error { return f }

// joinFaults returns all faults as one error, or nil if there is none.
func joinFaults(errs ...error) error {
	found := slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if len(found) == 0 {
		return nil
	}
	return faults(found)
}

// checkCode accepts ids and codes only: messages stay in the history, which must not
// contain a name or an address.
func checkCode(field, value string) error {
	switch {
	case value == "":
		return fieldError(field, "must not be empty")
	case !order.ValidCode(value):
		return fieldError(field, "%s", order.ErrInvalidCode)
	}
	return nil
}

// checkCarrier accepts names of carriers, in any script: Österreichische Post.
func checkCarrier(field, value string) error {
	switch {
	case value == "":
		return fieldError(field, "must not be empty")
	case utf8.RuneCountInString(value) > maxCarrier, value != strings.TrimSpace(value),
		strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fieldError(field, "must be 1 to %d printable characters, without blanks around them", maxCarrier)
	}
	return nil
}

// checkLabel accepts tracking numbers.
func checkLabel(field, value string) error {
	switch {
	case value == "":
		return fieldError(field, "must not be empty")
	case !labelPattern.MatchString(value):
		return fieldError(field, "must be 1 to 64 of letters, digits, blanks and ._-/&+")
	}
	return nil
}

var labelPattern = regexp.MustCompile(`^[A-Za-z0-9._/&+-]([A-Za-z0-9 ._/&+-]{0,62}[A-Za-z0-9._/&+-])?$`)

func checkNote(field, value string) error {
	switch {
	case utf8.RuneCountInString(value) > maxNote:
		return fieldError(field, "must have at most %d characters", maxNote)
	case strings.ContainsRune(value, '@'):
		return fieldError(field, "must not contain an @: do not put addresses in notes")
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
func decodeMessage[M Message](raw converter.RawValue) (M, error) {
	payload := raw.Payload()
	if encoding := string(payload.GetMetadata()[converter.MetadataEncoding]); encoding != converter.MetadataEncodingJSON {
		var m M
		return m, errors.New("message: must be one JSON object")
	}
	return decodeJSON[M](payload.GetData())
}

// decodeJSON decodes a message strictly, and checks its values.
//
//workflowcheck:ignore
func decodeJSON[M Message](data []byte) (M, error) {
	var m M
	limit := maxMessage
	if _, ok := any(m).(RecordShipment); ok {
		limit = maxShipment
	}
	data = bytes.TrimSpace(data)
	switch {
	case len(data) > limit:
		return m, fmt.Errorf("message: must have at most %d bytes", limit)
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
	field = indexPattern.ReplaceAllString(field, "[$1]")
	field = strings.ReplaceAll(field, "/", ".")
	if errors.Is(err, json.ErrUnknownName) {
		return fmt.Errorf("%s: is unknown", field)
	}
	return fmt.Errorf("%s: must be %s, is %s", field, wantedName(wrong.GoType), kindName(wrong.JSONKind))
}

// A field of a message, or of one of a shipment's lines.
var (
	namePattern  = regexp.MustCompile(`^([A-Za-z]{1,32}|lines/[0-9]{1,5}(/[A-Za-z]{1,32})?)$`)
	indexPattern = regexp.MustCompile(`/([0-9]+)`)
)

// wantedName returns the name of the JSON value that a Go type is decoded from.
func wantedName(goType reflect.Type) string {
	switch {
	case goType == nil:
		return "a string"
	case goType.Kind() == reflect.Int:
		return "a whole number"
	case goType.Kind() == reflect.Slice:
		return "an array"
	case goType.Kind() == reflect.Struct:
		return "an object"
	default:
		return "a string"
	}
}

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
	case '"':
		return "a string"
	default:
		return "a boolean"
	}
}
