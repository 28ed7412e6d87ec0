package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"orderflow/internal/credit"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/payloadcodec"
	"orderflow/internal/postgres"
	"orderflow/internal/temporalclient"
)

// problem is an error response in the format of RFC 9457. Field and OrderID are extension
// members.
type problem struct {
	Type    string `json:"type"`
	Title   string `json:"title"`
	Status  int    `json:"status"`
	Detail  string `json:"detail,omitempty"`
	Field   string `json:"field,omitempty"`   // the JSON path of the invalid field
	OrderID string `json:"orderId,omitempty"` // generated for an order that may have been placed

	retryAfter time.Duration // for a status with Retry-After: when, if it is not after an outage
}

// Error makes a problem an error, so that handlers can return it.
func (p *problem) Error() string { return p.Title }

func problemOf(status int, detail string) *problem {
	return &problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail}
}

func badField(field, detail string) *problem {
	p := problemOf(http.StatusUnprocessableEntity, detail)
	p.Field = field
	return p
}

func conflict(detail string) *problem { return problemOf(http.StatusConflict, detail) }
func notFound(detail string) *problem { return problemOf(http.StatusNotFound, detail) }

const problemType = "application/problem+json"

// retryAfter is when a client should repeat a request that failed because of an outage.
const retryAfter = 5 * time.Second

// toProblem maps an error to a response. All errors are mapped here. Details of an
// unknown error are logged and not sent to the client.
func toProblem(err error) *problem {
	var known *problem
	var invalid *order.InvalidError
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &invalid) && invalid.Path == "":
		return problemOf(http.StatusBadRequest, invalid.Reason)
	case errors.As(err, &invalid):
		return badField(invalid.Path, invalid.Reason)
	case errors.As(err, &tooLarge):
		return problemOf(http.StatusRequestEntityTooLarge, "the body must be at most "+strconv.FormatInt(tooLarge.Limit, 10)+" bytes")
	case errors.Is(err, credit.ErrInvalidAmount):
		return badField("limit", "must be an amount such as USD10000.00")
	case errors.Is(err, credit.ErrAlreadyOpened):
		return conflict("the account is open with another limit: change it with PUT /customers/{id}/credit-limit")
	case errors.Is(err, credit.ErrNotOpened):
		return notFound("the customer has no credit account")
	case errors.Is(err, credit.ErrOtherCurrency):
		return badField("limit", "must be in the account's currency")
	case isOutage(err):
		return problemOf(http.StatusServiceUnavailable, "a store is unavailable; the outcome of the request is unknown: repeat it")
	default:
		return problemOf(http.StatusInternalServerError, "")
	}
}

// isOutage reports whether the error is temporary, so that the request can be repeated.
// Credentials that Temporal no longer accepts are: an operator replaces them, and the
// request was right. So is a key of the payloads that this process does not have yet.
func isOutage(err error) bool {
	if _, ok := errors.AsType[*payloadcodec.KeyError](err); ok {
		return true
	}
	return errors.Is(err, kurrent.ErrUnavailable) || errors.Is(err, credit.ErrBusy) || errors.Is(err, kurrent.ErrWrongRevision) ||
		errors.Is(err, postgres.ErrUnavailable) || temporalclient.IsOutage(err) || temporalclient.NeedsOperator(err)
}

// fail logs the error if a client cannot have caused it, and responds with a problem.
func fail(w http.ResponseWriter, r *http.Request, logger *slog.Logger, err error) {
	p := toProblem(err)
	logProblem(logger, r, p, err)
	p.setHeader(w.Header())
	body, _ := json.Marshal(p) // strings and a number
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(body, '\n'))
}

// setHeader sets the headers with which a client can correct or repeat its request.
func (p *problem) setHeader(h http.Header) {
	switch p.Status {
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		h.Set("Retry-After", seconds(cmp.Or(p.retryAfter, retryAfter)))
	case http.StatusUnauthorized:
		h.Add("WWW-Authenticate", `Bearer realm="orderflow"`)
		h.Add("WWW-Authenticate", `Basic realm="orderflow", charset="UTF-8"`)
	}
}

// logProblem logs errors that a client cannot have caused. It logs the route and not the
// path, because a path contains an id.
func logProblem(logger *slog.Logger, r *http.Request, p *problem, err error) {
	switch {
	case r.Context().Err() != nil:
		logger.InfoContext(r.Context(), "client disconnected", "route", r.Pattern, "error", err)
	case p.Status == http.StatusInternalServerError:
		logger.ErrorContext(r.Context(), "request failed", "route", r.Pattern, "error", err)
	case p.Status == http.StatusServiceUnavailable:
		logger.WarnContext(r.Context(), "request failed in an outage", "route", r.Pattern, "error", err)
	}
}
