package web

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"strings"
)

// traceOf returns the trace id of W3C's header traceparent, or a new one.
func traceOf(r *http.Request) string {
	if id, ok := parseTraceparent(r.Header.Get("Traceparent")); ok {
		return id
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // it never fails
	return hex.EncodeToString(id[:])
}

// parseTraceparent returns the trace id of a header, and whether the header is valid.
// Later versions may have more parts.
func parseTraceparent(header string) (id string, ok bool) {
	parts := strings.Split(header, "-")
	if len(parts) < 4 || parts[0] == "00" && len(parts) > 4 {
		return "", false
	}
	for i, digits := range []int{2, 32, 16, 2} {
		if len(parts[i]) != digits || strings.Trim(parts[i], "0123456789abcdef") != "" {
			return "", false
		}
	}
	return parts[1], parts[0] != "ff" && strings.Trim(parts[1], "0") != "" && strings.Trim(parts[2], "0") != ""
}
