package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/access"
	"orderflow/workflows"
)

// auditRig is an api that logs errors alone, and what it logs.
type auditRig struct {
	*caller
	api *api
	log *bytes.Buffer
}

func newAuditRig(t *testing.T) auditRig {
	t.Helper()
	a := shared.api()
	log := &bytes.Buffer{}
	a.logger = slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelError}))
	withTokens(t, a, tokenLine("night-shift", token, access.Roles()...), tokenLine("shop", "place only", access.Place))
	return auditRig{newClient(t, a), a, log}
}

// lines returns the audit lines without their level and message, and forgets them.
func (r auditRig) lines(t *testing.T) (lines []map[string]any) {
	t.Helper()
	for line := range strings.Lines(r.log.String()) {
		var decoded map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &decoded))
		if decoded["msg"] == "audit" {
			require.Equal(t, "INFO", decoded["level"])
			at, err := time.Parse(time.RFC3339Nano, decoded["time"].(string))
			require.NoError(t, err)
			require.WithinRange(t, at, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
			delete(decoded, "time")
			delete(decoded, "level")
			delete(decoded, "msg")
			lines = append(lines, decoded)
		}
	}
	r.log.Reset()
	return lines
}

func TestAudit_NamesWhoDidWhat(t *testing.T) {
	t.Parallel()
	r := newAuditRig(t)
	id, customerID := newID(), newCustomerID()
	customer := workflows.CustomerPriority(customerID).FairnessKey
	limit := map[string]any{"limit": "USD431.00"}
	require.Equal(t, http.StatusCreated, r.ask("POST", "/orders", body(id, customerID, nil), bearer("place only")).status)
	require.Empty(t, r.lines(t), "a shop places orders, and no operator")

	require.Equal(t, http.StatusAccepted, r.ask("POST", "/orders/"+id+"/cancel", wish, bearer(token)).status)
	require.Equal(t, []map[string]any{{"action": "cancel-order", "token": "night-shift", "order": id, "status": 202.0}}, r.lines(t))

	opened := map[string]any{"customerId": customerID, "limit": "USD431.00"}
	require.Equal(t, http.StatusCreated, r.ask("POST", "/customers", opened, bearer(token)).status)
	require.NotContains(t, r.log.String(), "431.00", "amounts are in the event store")
	require.NotContains(t, r.log.String(), customerID)
	require.Equal(t, []map[string]any{{"action": "open-account", "token": "night-shift", "customer": customer, "status": 201.0}}, r.lines(t))

	require.Equal(t, http.StatusOK, r.ask("PUT", "/customers/"+customerID+"/credit-limit", limit, bearer(token)).status)
	require.Equal(t, []map[string]any{{"action": "change-limit", "token": "night-shift", "customer": customer, "status": 200.0}}, r.lines(t))

	for _, path := range []string{"/orders/" + id, "/?q=" + customerID, "/openapi.yaml"} {
		r.ask("GET", path, nil, bearer(token))
	}
	require.Empty(t, r.lines(t), "reading is no action")
}

func TestAudit_IncludesWhatFails(t *testing.T) {
	t.Parallel()
	r := newAuditRig(t)
	require.Equal(t, http.StatusForbidden, r.ask("POST", "/orders/"+newID()+"/cancel", wish, bearer("place only")).status)
	require.Equal(t, []map[string]any{{"action": "cancel-order", "token": "shop", "status": 403.0}}, r.lines(t))
	require.Equal(t, http.StatusUnprocessableEntity, r.ask("POST", "/orders/canary@example.com/cancel", wish, bearer(token)).status)
	require.Equal(t, http.StatusBadRequest, r.ask("POST", "/customers", []byte(`{"customerId":"canary"`), bearer(token)).status)
	require.NotContains(t, r.log.String(), "canary", "what is not valid is not logged")
	require.Len(t, r.lines(t), 2)
	r.api.accounts = nil
	require.Equal(t, http.StatusInternalServerError,
		r.ask("POST", "/customers", map[string]any{"customerId": "c", "limit": "USD1.00"}, bearer(token)).status)
	require.Equal(t, 500.0, r.lines(t)[0]["status"], "a panic, too")
	require.Equal(t, http.StatusUnauthorized, r.ask("POST", "/customers", nil, bearer("unknown")).status)
	require.Empty(t, r.lines(t), "there is no name")
	r.api.tokens = nil
	r.ask("POST", "/customers", nil)
	require.Equal(t, []map[string]any{{"action": "open-account", "token": "", "status": 415.0}}, r.lines(t))
}

func TestAudit_OneLineWhateverIsSent(t *testing.T) {
	t.Parallel()
	r := newAuditRig(t)
	r.api.logger = slog.New(slog.NewTextHandler(r.log, nil))
	forged := "order-1%0atime=2026-01-01T00:00:00Z%20level=INFO%20msg=audit%20token=forged"
	require.Equal(t, http.StatusUnprocessableEntity, r.ask("POST", "/orders/"+forged+"/cancel", wish, bearer(token)).status)
	r.ask("PUT", "/customers/c%0amsg=audit%20token=forged/credit-limit", map[string]any{"limit": "USD1.00"}, bearer(token))
	r.ask("POST", "/customers", map[string]any{"customerId": "c\nmsg=audit token=forged", "limit": "USD1.00"}, bearer(token))
	r.ask("POST", "/customers", map[string]any{"customerId": "c msg=audit token=forged", "limit": "USD1.00"}, bearer(token))
	require.Equal(t, 4, strings.Count(r.log.String(), "\n"), r.log)
	require.NotContains(t, r.log.String(), "forged")
}

// withoutAudit returns a log in text without its audit lines.
func withoutAudit(log string) string {
	var others strings.Builder
	for line := range strings.Lines(log) {
		if !strings.Contains(line, " msg=audit ") {
			others.WriteString(line)
		}
	}
	return others.String()
}
