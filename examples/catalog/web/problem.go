package web

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"example.com/catalog/files"
	"example.com/catalog/messages"
)

// problem is an error response: a page for people, and RFC 9457's format for programs.
// Field and Location are extension members.
type problem struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail,omitempty"`
	Field    string `json:"field,omitempty"`    // the invalid field
	Location string `json:"location,omitempty"` // the video that has the id already

	Form  *form `json:"-"` // for another try
	cause error // for the log
}

func (p *problem) Error() string {
	if p.cause != nil {
		return p.cause.Error()
	}
	return p.Title + ": " + p.Detail
}

func problemOf(status int, detail string) *problem {
	return &problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail}
}

func badField(field, detail string) *problem {
	p := problemOf(http.StatusBadRequest, detail)
	p.Field = field
	return p
}

func notFound(detail string) *problem { return problemOf(http.StatusNotFound, detail) }

// outage returns the problem of a store that is unavailable.
func outage(detail string, cause error) *problem {
	return causedBy(cause, http.StatusServiceUnavailable, detail)
}

func causedBy(cause error, status int, detail string) *problem {
	p := problemOf(status, detail)
	p.cause = cause
	return p
}

// retrySeconds is after how many seconds a request that failed in an outage should be
// repeated.
const retrySeconds = "5"

const problemType = "application/problem+json"

// toProblem maps an error to a response. The text of an unknown error is logged, not
// sent.
func (s *site) toProblem(err error) *problem {
	var known *problem
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, errNoVideo):
		return notFound("There is no such video.")
	case errors.Is(err, files.ErrTooLarge):
		p := problemOf(http.StatusRequestEntityTooLarge, "The file is larger than "+showBytes(s.MaxUpload)+".")
		p.Field = fieldFile
		return p
	case errors.Is(err, files.ErrFull):
		return causedBy(err, http.StatusInsufficientStorage, "The catalog has no space left for the file.")
	case errors.Is(err, messages.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return outage("The event store is unavailable. What was sent can be sent again: it counts once.", err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return problemOf(http.StatusBadRequest, "The upload ended early.")
	}
	return causedBy(err, http.StatusInternalServerError, "The cause is in the log.")
}

// fail responds with a problem. In an outage, a page that was requested with GET reloads.
func (s *site) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := s.toProblem(err)
	s.log(r, p)
	if p.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", retrySeconds)
	}
	if wantsJSON(r) || strings.HasSuffix(r.URL.Path, "/views") {
		body, _ := json.Marshal(p) // strings and a number
		_ = send(w, p.Status, problemType, append(body, '\n'))
		return
	}
	page := page{Title: p.Title, Status: p.Status, Name: "problem", Body: p}
	if p.Status == http.StatusServiceUnavailable && r.Method == http.MethodGet {
		page.Refresh = retrySeconds
	}
	if err := s.render(w, page); err != nil {
		s.Logger.ErrorContext(r.Context(), "rendering problem failed", "route", r.Pattern, "error", err)
	}
}

// log logs what a client cannot have caused. It logs the route instead of the path, and
// nothing that the client sent.
func (s *site) log(r *http.Request, p *problem) {
	switch {
	case r.Context().Err() != nil:
		s.Logger.InfoContext(r.Context(), "client disconnected", "route", r.Pattern)
	case p.Status == http.StatusServiceUnavailable:
		s.Logger.WarnContext(r.Context(), "request failed in an outage", "route", r.Pattern, "error", p)
	case p.Status >= http.StatusInternalServerError:
		s.Logger.ErrorContext(r.Context(), "request failed", "route", r.Pattern, "status", p.Status, "error", p)
	}
}

// wantsJSON reports whether the client is a program. No browser requests JSON when it
// opens a page.
func wantsJSON(r *http.Request) bool {
	accept := strings.Join(r.Header.Values("Accept"), ",")
	return strings.Contains(accept, "application/json") || strings.Contains(accept, problemType)
}

func sendJSON(w http.ResponseWriter, status int, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return send(w, status, "application/json", append(body, '\n'))
}
