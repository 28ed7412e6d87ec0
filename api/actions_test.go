package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/access"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// act sends the form of an action as a browser does.
func (c *caller) act(name string, form url.Values, change ...func(*http.Request)) reply {
	c.t.Helper()
	return c.ask(http.MethodPost, "/actions/"+name, form, change...)
}

// acted sends a form that the order accepts, and returns the page that the browser is sent
// to.
func (c *caller) acted(name string, form url.Values) string {
	c.t.Helper()
	var got reply
	until(c.t, func(now teller) { // an order may not be ready for a message yet
		got = c.telling(now).act(name, form)
		require.Equal(now, http.StatusSeeOther, got.status, got.body)
	})
	return got.header.Get("Location")
}

// sentBack makes a request that of a browser which a form of the page sent there.
func sentBack(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-origin") }

func TestActions(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	shipped, _ := c.fulfill()
	page := c.acted("ship", url.Values{"order": {shipped}, "carrier": {"DHL"}, "trackingNumber": {"0034"}})
	require.Equal(t, "/?done=ship&order="+shipped, page)
	c.await(shipped, order.StatusShipped)
	require.Contains(t, c.ask("GET", page, nil, sentBack).body, "The order is shipped.")
	require.NotContains(t, c.get(page).body, "The order is shipped.", "a link of another site leads here")
	require.NotContains(t, c.get(page).body, "/actions/", "a closed order takes none")

	canceled, _ := c.fulfill()
	page = c.acted("cancel", url.Values{"order": {canceled}, "reason": {"customer-request"}})
	c.await(canceled, order.StatusCancelled)
	require.Contains(t, c.ask("GET", page, nil, sentBack).body, "The order is canceled.")

	approved, _ := c.hold()
	require.Contains(t, c.saying("/?order="+approved, "left</dd>"), "/actions/approve?order="+approved)
	c.acted("approve", url.Values{"order": {approved}, "by": {"risk-7"}})
	c.await(approved, order.StatusFulfilling)

	declined, _ := c.hold()
	c.acted("decline", url.Values{"order": {declined}, "by": {"risk-7"}})
	require.Equal(t, order.ReasonCreditDeclined, c.await(declined, order.StatusRejected).Reason)
}

func TestActions_OfferedByRoleAndStatus(t *testing.T) {
	t.Parallel()
	a := shared.api()
	c := newClient(t, a)
	fulfilling, _ := c.fulfill()
	held, _ := c.hold()
	withTokens(t, a, tokenLine("looker", "looks", access.Read), tokenLine("support", "operates", access.Read, access.Operate),
		tokenLine("risk", "decides", access.Read, access.Credit))
	for _, test := range []struct{ token, id, want string }{
		{"looks", fulfilling, ""}, {"looks", held, ""}, {"operates", fulfilling, "ship cancel"}, {"operates", held, "cancel"},
		{"decides", fulfilling, ""}, {"decides", held, "approve decline"},
	} {
		page := c.ask("GET", "/?order="+test.id, nil, bearer(test.token)).body
		var offered []string
		for _, known := range a.actions() {
			if strings.Contains(page, "/actions/"+known.Name+"?order="+test.id) {
				offered = append(offered, known.Name)
			}
		}
		require.Equal(t, test.want, strings.Join(offered, " "), "%+v", test)
	}
	require.Contains(t, c.ask("GET", "/actions/ship?order="+fulfilling, nil, bearer("looks")).body, "lacks the role")
	require.Contains(t, c.ask("GET", "/actions/decline?order="+held, nil, bearer("decides")).body, `value="risk"`, "the token's name is suggested")
	form := url.Values{"order": {held}, "by": {"risk"}}
	require.Equal(t, http.StatusForbidden, c.act("approve", form, bearer("operates")).status)
	c.requireStatus(held, order.StatusOnHold, bearer("looks"))
}

// requireStatus looks at an order once, with a token.
func (c *caller) requireStatus(id string, want order.Status, change func(*http.Request)) {
	c.t.Helper()
	var state order.State
	c.ask("GET", "/orders/"+id, nil, change).into(http.StatusOK, &state)
	require.Equal(c.t, want, state.Status)
}

func TestActions_Refused(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	id, _ := c.fulfill()
	form := url.Values{"order": {id}, "reason": {"customer request"}}
	got := c.act("cancel", form)
	require.Equal(t, http.StatusUnprocessableEntity, got.status)
	require.Contains(t, got.body, `value="customer request"`, "what was entered is kept")
	require.Contains(t, got.body, "reason must be 1 to 64")

	form.Set("reason", "customer-request")
	for _, from := range []func(*http.Request){
		func(r *http.Request) { r.Header.Del("Sec-Fetch-Site") },
		func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
		func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "none") },
		func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "null") },
		func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "http://127.0.0.1:1") },
	} {
		require.Equal(t, http.StatusForbidden, c.act("cancel", form, from).status)
	}
	c.requireStatus(id, order.StatusFulfilling, func(*http.Request) {})
	require.Equal(t, http.StatusUnsupportedMediaType, c.ask("POST", "/actions/cancel", map[string]string{"order": id, "reason": "x"}, func(r *http.Request) {
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}).status)
	require.Equal(t, http.StatusRequestEntityTooLarge, c.act("cancel", url.Values{"order": {strings.Repeat("x", maxForm)}}).status)
	require.Equal(t, http.StatusBadRequest, c.ask("POST", "/actions/cancel", []byte("order=%zz"), func(r *http.Request) {
		r.Header.Set("Content-Type", formType)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}).status)
	require.Equal(t, http.StatusNotFound, c.act("delete", form).status)
	require.Equal(t, http.StatusNotFound, c.act("cancel", url.Values{"order": {newID()}, "reason": {"x"}}).status)
	require.Equal(t, http.StatusNotFound, c.get("/actions/delete?order="+id).status)
	require.Equal(t, http.StatusNotFound, c.get("/actions/cancel?order=nonsense").status)
	require.Equal(t, http.StatusSeeOther, c.act("cancel", form, func(r *http.Request) {
		r.Header.Del("Sec-Fetch-Site")
		r.Header.Set("Origin", c.url) // of a browser that does not send Sec-Fetch-Site
	}).status)
	c.await(id, order.StatusCancelled)
	late := c.act("ship", url.Values{"order": {id}, "carrier": {"DHL"}, "trackingNumber": {"1"}})
	require.Equal(t, http.StatusConflict, late.status)
	require.Contains(t, late.body, "the order is cancelled")
}

func TestActions_AreAudited(t *testing.T) {
	t.Parallel()
	r := newAuditRig(t)
	id, _ := newClient(t, shared.api()).fulfill()
	require.Equal(t, http.StatusSeeOther, r.act("cancel", url.Values{"order": {id}, "reason": {"x"}}, bearer(token)).status)
	require.Equal(t, []map[string]any{{"action": "cancel-order", "token": "night-shift", "order": id, "status": 303.0}}, r.lines(t))
	require.Equal(t, http.StatusForbidden, r.act("approve", url.Values{"order": {id}, "by": {"x"}}, bearer("place only")).status)
	require.Equal(t, []map[string]any{{"action": workflows.ApproveCreditMessage, "token": "shop", "status": 403.0}}, r.lines(t))
	require.Equal(t, http.StatusNotFound, r.act("delete", url.Values{"order": {id}}, bearer(token)).status)
	require.Equal(t, []map[string]any{{"action": pageAction, "token": "night-shift", "status": 404.0}}, r.lines(t))
}
