package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"

	"orderflow/internal/access"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// maxForm limits the size of a form. None has a long field.
const maxForm = 16 << 10

// pageAction is the name in the audit of an action that is not known.
const pageAction = "page-action"

// cancelAction is the name in the audit of a request to cancel.
const cancelAction = "cancel-order"

const formType = "application/x-www-form-urlencoded"

// action is something that a person may do to an order on its page. It makes the same
// request as a program.
type action struct {
	Name   string // in paths
	Title  string // of its page, and of the link to it
	About  string // what it does, before the person confirms
	Button string
	Danger bool
	Role   access.Role
	Fields []actionField
	Parcel bool // the form has the quantities of a parcel

	from   []order.Status // statuses in which it is offered
	audit  string         // its name in the audit
	handle handle         // the request of a program, with a body of JSON
}

// actionField is a field of an action's form, and a member of the request's body.
type actionField struct {
	Name, Label, Hint string
	Max               int
	Value             string // what the person entered, or what is suggested
}

// actions returns every action, in the order in which a page shows them.
func (a *api) actions() []action {
	by := actionField{Name: "by", Label: "Decided by", Hint: "Your id, of letters, digits and . _ -. Do not enter a name or an address.", Max: 64}
	return []action{
		{
			Name: "ship", Title: "Ship", Button: "Record the shipment", Role: access.Operate, from: []order.Status{order.StatusFulfilling},
			About:  "A parcel left with a carrier. This cannot be undone: the customer is told, and the order can no longer be canceled.",
			Parcel: true,
			Fields: []actionField{
				{Name: "carrier", Label: "Carrier", Hint: "Such as DHL.", Max: 64},
				{Name: "trackingNumber", Label: "Tracking number", Hint: "The carrier's number of the parcel.", Max: 64},
			},
			audit: workflows.RecordShipmentMessage, handle: a.postShipment,
		},
		{
			Name: "approve", Title: "Approve", Button: "Approve the order", Role: access.Credit, from: []order.Status{order.StatusOnHold},
			About:  "The order goes on although the customer's credit does not suffice.",
			Fields: []actionField{by}, audit: workflows.ApproveCreditMessage, handle: a.postCreditApproval,
		},
		{
			Name: "decline", Title: "Decline", Button: "Decline the order", Danger: true, Role: access.Credit, from: []order.Status{order.StatusOnHold},
			About:  "The order is rejected, and the customer is told. This cannot be undone.",
			Fields: []actionField{by}, audit: workflows.DeclineCreditMessage, handle: a.postCreditRefusal,
		},
		{
			Name: "cancel", Title: "Cancel", Button: "Cancel the order", Danger: true, Role: access.Operate,
			from:  []order.Status{order.StatusPending, order.StatusOnHold, order.StatusFulfilling},
			About: "What was done for the order is undone: its credit is released, and a customer who was told of the order is told of this. This cannot be undone.",
			Fields: []actionField{
				{Name: "reason", Label: "Reason", Hint: "A code of letters, digits and . _ -, such as customer-request.", Max: 64, Value: "customer-request"},
			},
			audit: cancelAction, handle: a.cancelOrder,
		},
	}
}

func (a *api) findAction(name string) (action, error) {
	all := a.actions()
	n := slices.IndexFunc(all, func(known action) bool { return known.Name == name })
	if n < 0 {
		return action{}, notFound("there is no such action")
	}
	return all[n], nil
}

// offered returns the actions that an order in this state may take, and the token has the
// role for. An order of which a parcel has left cannot be canceled.
func (a *api) offered(r *http.Request, state order.State) (offered []action) {
	for _, known := range a.actions() {
		late := known.audit == cancelAction && len(state.Parcels) > 0
		if slices.Contains(known.from, state.Status) && !late && a.authorize(r, known.Role) == nil {
			offered = append(offered, known)
		}
	}
	return offered
}

// actionBody is the data of the page on which a person confirms an action.
type actionBody struct {
	action
	State  order.State
	Denied bool     // the token lacks the role, or the order's state does not allow it
	Fault  *problem // of the form that was sent; nil if none was

	Lines   []parcelLine // of which something is left
	NoLines bool         // they cannot be read
}

// Invalid reports whether a field is the one that is wrong.
func (b actionBody) Invalid(field string) bool { return b.Fault != nil && b.Fault.Field == field }

// getActionPage serves the page on which a person confirms an action.
func (a *api) getActionPage(w http.ResponseWriter, r *http.Request) error {
	return a.show(w, r, func(ctx context.Context) (pageData, error) {
		asked, err := a.findAction(r.PathValue("action"))
		if err != nil {
			return pageData{}, err
		}
		return a.actionPage(r.WithContext(ctx), asked, r.URL.Query().Get("order"), nil, nil)
	})
}

// actionPage returns the page of an action. form is the one that was refused with fault;
// both are nil if none was sent.
func (a *api) actionPage(r *http.Request, asked action, id string, form url.Values, fault *problem) (pageData, error) {
	if !order.ValidID(id) {
		return pageData{}, notFound("there is no such order")
	}
	state, err := a.state(r.Context(), id)
	if err != nil {
		return pageData{}, err
	}
	for i, field := range asked.Fields {
		if field.Name == "by" && field.Value == "" && order.ValidCode(principalOf(r).token.Name) {
			asked.Fields[i].Value = principalOf(r).token.Name
		}
	}
	offered := slices.ContainsFunc(a.offered(r, state), func(known action) bool { return known.Name == asked.Name })
	page := pageData{Title: asked.Title + " " + id, Status: http.StatusOK, Name: "action"}
	if fault != nil {
		page.Status = fault.Status
	}
	body := actionBody{action: asked, State: state, Denied: !offered && fault == nil, Fault: fault}
	if asked.Parcel && !body.Denied && state.Status == order.StatusFulfilling {
		body.Lines = a.openLines(r.Context(), state, form)
		body.NoLines = len(body.Lines) == 0
		if entered, invalid := parseLines(form); body.NoLines && (entered != nil || invalid != nil) {
			return pageData{}, errNoLines // shown without them, the form would ship all that is left
		}
	}
	page.Body = body
	return page, nil
}

// postAction takes the form of an action, and sends the browser back to the order's page.
// A form that is refused is shown again with what is wrong.
func (a *api) postAction(w http.ResponseWriter, r *http.Request) error {
	asked, err := a.findAction(r.PathValue("action"))
	if err != nil {
		return err
	}
	principalOf(r).action = asked.audit
	if err := a.authorize(r, asked.Role); err != nil {
		return err
	}
	if !sameOrigin(r) {
		return problemOf(http.StatusForbidden, "a form must be sent by a page of this site")
	}
	form, err := readForm(w, r)
	if err != nil {
		return err
	}
	return a.show(w, r, func(ctx context.Context) (pageData, error) {
		r := r.WithContext(ctx)
		for i, field := range asked.Fields {
			asked.Fields[i].Value = form.Get(field.Name)
		}
		id := form.Get("order")
		err := a.perform(r, asked, id, form)
		if err == nil {
			http.Redirect(w, r, "/?"+url.Values{"order": {id}, "done": {asked.Name}}.Encode(), http.StatusSeeOther)
			return pageData{}, errRedirected
		}
		fault := toProblem(err)
		page, pageErr := a.actionPage(r, asked, id, form, fault)
		if pageErr != nil {
			return page, err
		}
		logProblem(a.logger, r, fault, err)
		fault.setHeader(w.Header())
		return page, nil
	})
}

// errRedirected means that the response was sent, and there is no page to show.
var errRedirected = errors.New("redirected")

// perform makes the request that a program would make, and discards the response to it:
// the order's page shows what came of it.
func (a *api) perform(r *http.Request, asked action, id string, form url.Values) error {
	members := map[string]any{}
	for _, field := range asked.Fields {
		members[field.Name] = field.Value
	}
	if asked.Parcel {
		lines, err := parseLines(form)
		if err != nil {
			return err
		}
		if lines != nil {
			members["lines"] = lines
		}
	}
	body, err := json.Marshal(members)
	if err != nil {
		return err
	}
	sent := r.Clone(r.Context())
	sent.Header = http.Header{"Content-Type": {jsonType}}
	sent.Body = io.NopCloser(bytes.NewReader(body))
	sent.SetPathValue("id", id)
	return asked.handle(&discardWriter{header: http.Header{}}, sent)
}

// sameOrigin reports whether a page of this site sent a form. The guard of all requests lets
// those pass that do not say which page sent them, because programs do not. Browsers send
// their credentials with any form, and say it.
func sameOrigin(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site == "same-origin"
	}
	from, err := url.Parse(r.Header.Get("Origin"))
	return err == nil && from.Host != "" && from.Host == r.Host
}

func readForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != formType {
		return nil, problemOf(http.StatusUnsupportedMediaType, "the body must be "+formType)
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return nil, err
		}
		return nil, problemOf(http.StatusBadRequest, "the body is not a form")
	}
	return r.PostForm, nil
}
