package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	strict "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"orderflow/internal/order"
)

// maxBody limits the size of a request body to that of an event.
const maxBody = order.MaxEventBytes

const jsonType = "application/json"

// readBody reads the whole JSON body. It returns a problem if the content type is not
// JSON, or if the body is encoded or incomplete.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != jsonType {
		return nil, problemOf(http.StatusUnsupportedMediaType, "the body must be "+jsonType)
	}
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		w.Header().Set("Accept-Encoding", "identity")
		return nil, problemOf(http.StatusUnsupportedMediaType, "the body must not be encoded")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil, errors.As(err, &tooLarge):
		return body, err
	default:
		return nil, problemOf(http.StatusBadRequest, "the body ended early")
	}
}

// decode reads a body with exactly the members of T. It uses the experimental JSON
// library because encoding/json ignores the case of names and takes the last of two
// members with the same name.
func decode[T any](w http.ResponseWriter, r *http.Request) (T, error) {
	var value T
	body, err := readBody(w, r)
	if err != nil {
		return value, err
	}
	if err = strict.Unmarshal(body, &value, strict.RejectUnknownMembers(true)); err != nil {
		return value, fault(err)
	}
	if jsontext.Value(body).Kind() != '{' { // null would pass as an object without members
		return value, problemOf(http.StatusBadRequest, "the body must be one JSON object")
	}
	return value, nil
}

// fault returns a problem that names the invalid member. It never repeats the member's
// value.
func fault(err error) error {
	var semantic *strict.SemanticError
	var syntactic *jsontext.SyntacticError
	switch {
	case errors.Is(err, strict.ErrUnknownName):
		return problemOf(http.StatusBadRequest, "the body has a member that is not known")
	case errors.As(err, &semantic) && semantic.JSONPointer == "":
		return problemOf(http.StatusBadRequest, "the body must be one JSON object")
	case errors.As(err, &semantic):
		return badField(jsonPath(semantic.JSONPointer), wrongValue(semantic))
	case errors.As(err, &syntactic):
		return problemOf(http.StatusBadRequest, fmt.Sprintf("the body is not JSON at byte %d", syntactic.ByteOffset))
	default:
		return problemOf(http.StatusBadRequest, "the body is not JSON")
	}
}

// wrongValue returns the reason why a value was refused: it is of the wrong kind, or its
// type rejected it.
func wrongValue(wrong *strict.SemanticError) string {
	if wrong.Err != nil && wrong.JSONKind == '"' {
		return wrong.Err.Error()
	}
	if wrong.GoType == nil {
		return "must be a string"
	}
	switch wrong.GoType.Kind() {
	case reflect.Int:
		return "must be a whole number"
	case reflect.Slice:
		return "must be an array"
	case reflect.Struct:
		return "must be an object"
	default:
		return "must be a string"
	}
}

// jsonPath returns the path of a member as other faults have it: lines[0].quantity.
func jsonPath(pointer jsontext.Pointer) string {
	var path strings.Builder
	for token := range pointer.Tokens() {
		switch _, err := strconv.Atoi(token); {
		case err == nil:
			path.WriteString("[" + token + "]")
		case path.Len() > 0:
			path.WriteString("." + token)
		default:
			path.WriteString(token)
		}
	}
	return path.String()
}

func writeJSON(w http.ResponseWriter, status int, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode the response: %w", err)
	}
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the client may have disconnected
	return nil
}
