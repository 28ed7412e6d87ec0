package order

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	contentTypeJSON = "application/json"
	maxDepth        = 32
	maxNameBytes    = 40 // of a member's name that may be part of a path
)

// unmarshal decodes an event's body into a struct. Member names are case-sensitive, and
// unknown members are ignored. Names given twice and invalid UTF-8 are rejected anywhere
// in the body. It uses the experimental JSON library because encoding/json matches names
// case-insensitively, takes the last of two duplicates and silently repairs invalid
// UTF-8.
func unmarshal(contentType string, body []byte, into any) error {
	if contentType != contentTypeJSON {
		return invalid("", "content type must be "+contentTypeJSON)
	}
	if len(body) > MaxEventBytes {
		return invalid("", fmt.Sprintf("must be at most %d bytes", MaxEventBytes))
	}
	err := json.Unmarshal(body, into)
	if err == nil && isFlatObject(body) {
		return nil
	}
	if err := checkSyntax(body); err != nil { // a fault of the syntax comes before one of a member's kind
		return err
	}
	var wrong *json.SemanticError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong):
		return kindError(path(wrong.JSONPointer), kindOf(wrong.GoType), wrong.JSONKind)
	default:
		return syntaxError(err)
	}
}

// isFlatObject reports whether a body of valid JSON passes checkSyntax, as almost all do: it
// is an object, and opens too few objects and arrays to be nested too deeply, even if all
// brackets in its strings counted.
func isFlatObject(body []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte{'{'}) &&
		bytes.Count(body, []byte{'{'})+bytes.Count(body, []byte{'['}) <= maxDepth
}

// checkSyntax returns an error unless the body is one JSON object that is not nested too
// deeply.
func checkSyntax(body []byte) error {
	decoder := jsontext.NewDecoder(bytes.NewReader(body))
	if kind := decoder.PeekKind(); kind != '{' && kindName(kind) != "" {
		return kindError("", "an object", kind)
	}
	for {
		_, err := decoder.ReadToken()
		if err != nil {
			return syntaxError(err)
		}
		if decoder.StackDepth() == 0 {
			return checkEnd(decoder)
		}
		if decoder.StackDepth() > maxDepth {
			return invalid(path(decoder.StackPointer()), fmt.Sprintf("must not be nested deeper than %d", maxDepth))
		}
	}
}

// checkEnd returns an error if anything follows the body's one value.
func checkEnd(decoder *jsontext.Decoder) error {
	if _, err := decoder.ReadToken(); !errors.Is(err, io.EOF) {
		return invalid("", "is not JSON: something follows the object")
	}
	return nil
}

// syntaxError converts a syntax error of the JSON library. The library's text contains at
// most the one wrong character. An escape sequence and the text after it, which the
// library quotes, are removed because they may be part of a name.
func syntaxError(err error) error {
	var wrong *jsontext.SyntacticError
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName) && errors.As(err, &wrong):
		return duplicateError(wrong.JSONPointer)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return invalid("", "is not JSON: it ends too early")
	case errors.As(err, &wrong):
		reason, _, _ := strings.Cut(wrong.Err.Error(), " `")
		reason, _, _ = strings.Cut(reason, ` "`)
		return invalid("", fmt.Sprintf("is not JSON: %s at byte %d", reason, wrong.ByteOffset))
	default:
		return invalid("", "is not JSON")
	}
}

// duplicateError returns an error with the path of the duplicate member, or of its object
// if the name is not an ordinary one.
func duplicateError(pointer jsontext.Pointer) error {
	if ordinaryName(pointer.LastToken()) {
		return invalid(path(pointer), "is given twice")
	}
	return invalid(path(pointer.Parent()), "has a member twice")
}

// path formats a JSON pointer as lineItems[1].quantity. It stops before a name that is
// not an ordinary one, because the name may be personal data.
func path(pointer jsontext.Pointer) string {
	var b strings.Builder
	for token := range pointer.Tokens() {
		_, err := strconv.ParseUint(token, 10, 32)
		switch {
		case err == nil:
			b.WriteString("[" + token + "]")
		case !ordinaryName(token):
			return b.String()
		default:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(token)
		}
	}
	return b.String()
}

func ordinaryName(name string) bool {
	return name != "" && len(name) <= maxNameBytes && onlyBytes(name, func(c byte) bool {
		return isCodeByte(c) && c != '.'
	})
}

func kindError(path, want string, got jsontext.Kind) error {
	return invalid(path, fmt.Sprintf("must be %s, is %s", want, kindName(got)))
}

// kindOf returns the name of the JSON kind that decodes into a Go type.
func kindOf(t reflect.Type) string {
	switch {
	case t == nil:
		return "something else"
	case t.Kind() == reflect.String:
		return "a string"
	case t.Kind() == reflect.Slice:
		return "an array"
	default:
		return "an object"
	}
}

// kindName returns the name of a JSON kind, or "" if no value starts with it.
func kindName(kind jsontext.Kind) string {
	switch kind {
	case '"':
		return "a string"
	case '0':
		return "a number"
	case 't', 'f':
		return "a boolean"
	case '{':
		return "an object"
	case '[':
		return "an array"
	case 'n':
		return "null"
	default:
		return ""
	}
}

func invalid(path, reason string) error { return &InvalidError{Path: path, Reason: reason} }
