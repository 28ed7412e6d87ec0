package main

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"

	"orderflow/workflows"
)

// audited writes a line to the log for each request to a route that has an action: who
// made it, by the token's name, what it was to do to which order or customer, and the
// status of the response. Requests that are refused are included.
func (a *api) audited(action string, next http.Handler) http.Handler {
	if action == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answered := &recorder{ResponseWriter: w}
		defer func() { // for a panic, too
			a.audit(r.Context(), action, *principalOf(r), cmp.Or(answered.status, http.StatusInternalServerError))
		}()
		next.ServeHTTP(answered, r)
	})
}

// audit writes the line whatever the level of the log is: LOG_LEVEL=warn must not turn
// the audit off.
func (a *api) audit(ctx context.Context, action string, by principal, status int) {
	line := slog.NewRecord(a.now(), slog.LevelInfo, "audit", 0)
	line.AddAttrs(slog.String("action", cmp.Or(by.action, action)), slog.String("token", by.token.Name))
	if by.subject.Key != "" {
		line.AddAttrs(by.subject)
	}
	line.AddAttrs(slog.Int("status", status))
	_ = a.logger.Handler().Handle(ctx, line) // a failure to write to standard error cannot be reported
}

// concernsOrder notes for the audit which order the request is about.
func concernsOrder(r *http.Request, id string) { principalOf(r).subject = slog.String("order", id) }

// concernsCustomer notes for the audit which customer the request is about. A log keeps
// what is erased elsewhere, and a shop may have chosen ids that identify a person, so the
// line has the hash that is the fairness key of the customer's orders in Temporal.
func concernsCustomer(r *http.Request, id string) {
	principalOf(r).subject = slog.String("customer", workflows.CustomerPriority(id).FairnessKey)
}
