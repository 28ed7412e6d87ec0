package main

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"

	"orderflow/internal/credit"
	"orderflow/internal/order"
)

//go:embed page
var pageFiles embed.FS

const htmlType = "text/html; charset=utf-8"

// maxQuery limits a search. No id is longer.
const maxQuery = 128

// pageData is the data of a page: fields for the layout, and Body for the page's own
// template.
type pageData struct {
	Title  string
	Query  string
	Status int
	Name   string // name of the template
	Body   any

	Live string // where the page's script learns of changes; empty if it does not change
}

// getPage serves the start page, or the HTML page of an order or a customer: /?order=ID,
// /?customer=ID, or /?q=ID for either.
func (a *api) getPage(w http.ResponseWriter, r *http.Request) error {
	return a.show(w, r, func(ctx context.Context) (pageData, error) { return a.page(r.WithContext(ctx)) })
}

// show sends a page, or one that reports why there is none.
func (a *api) show(w http.ResponseWriter, r *http.Request, make func(context.Context) (pageData, error)) error {
	page, err := make(r.Context())
	if errors.Is(err, errRedirected) {
		return nil
	}
	if err != nil {
		p := toProblem(err)
		logProblem(a.logger, r, p, err)
		p.setHeader(w.Header())
		page = pageData{Title: p.Title, Status: p.Status, Name: "problem", Body: p}
	}
	return render(w, page)
}

func (a *api) page(r *http.Request) (pageData, error) {
	query := r.URL.Query()
	orderID, customerID, either := query.Get("order"), query.Get("customer"), strings.TrimSpace(query.Get("q"))
	switch {
	case len(orderID)+len(customerID)+len(either) > maxQuery:
		return pageData{}, badField("q", "is longer than any id")
	case !isText(orderID + customerID + either):
		return pageData{}, badField("q", "must be UTF-8 without a zero byte")
	case orderID != "":
		return a.orderPage(r, orderID)
	case customerID != "":
		return a.customerPage(r.Context(), customerID)
	case either != "":
		return a.searchPage(r, either)
	default:
		return a.startPage(r.Context()), nil
	}
}

// searchPage tries id as an order's, as a customer's, and as an order's without its prefix
// "order-", in this order.
func (a *api) searchPage(r *http.Request, id string) (pageData, error) {
	tries := []func() (pageData, error){
		func() (pageData, error) { return a.orderPage(r, id) },
		func() (pageData, error) { return a.customerPage(r.Context(), id) },
		func() (pageData, error) { return a.orderPage(r, order.StreamPrefix+id) },
	}
	for _, try := range tries {
		page, err := try()
		if err == nil {
			page.Query = id
		}
		if err == nil || toProblem(err).Status != http.StatusNotFound {
			return page, err
		}
	}
	return pageData{Title: "Nothing found", Query: id, Status: http.StatusNotFound, Name: "nothing", Body: id}, nil
}

// orderBody is the data of an order's page.
type orderBody struct {
	order.State
	timeline
	Links   links
	Actions []action
	Done    string // what came of an action that the browser was sent back from
	Left    string // of the hold
}

func (a *api) orderPage(r *http.Request, id string) (pageData, error) {
	if !order.ValidID(id) {
		return pageData{}, notFound("there is no such order")
	}
	state, err := a.state(r.Context(), id)
	if err != nil {
		return pageData{}, err
	}
	body := orderBody{State: state, timeline: a.timeline(r.Context(), state), Links: a.links, Actions: a.offered(r, state)}
	if sameOrigin(r) { // a link elsewhere must not say what was done
		body.Done = doneText(r.URL.Query().Get("done"), state.Status)
	}
	if body.known != nil && state.Status == order.StatusOnHold {
		body.Left = a.timeLeft(body.known.HoldUntil)
	}
	return pageData{Title: id, Status: http.StatusOK, Name: "order", Body: body, Live: liveURL(id)}, nil
}

// customerBody is the data of a customer's page.
type customerBody struct {
	customer
	Stream string // of the credit account
	Links  links
}

func (a *api) customerPage(ctx context.Context, id string) (pageData, error) {
	if !order.ValidIdentifier(id) {
		return pageData{}, notFound("there is no such customer")
	}
	found, err := a.customer(ctx, id)
	if err != nil {
		return pageData{}, err
	}
	body := customerBody{customer: found, Stream: credit.Stream(id), Links: a.links}
	return pageData{Title: "Customer " + id, Status: http.StatusOK, Name: "customer", Body: body, Live: liveURL("")}, nil
}

// render sends a page once it is complete. If rendering fails, it returns an error and
// sends nothing.
func render(w http.ResponseWriter, page pageData) error {
	set, err := template.New("layout.html").Funcs(pageFuncs).ParseFS(pageFiles, "page/layout.html", "page/"+page.Name+".html")
	if err != nil {
		return fmt.Errorf("parse page %s: %w", page.Name, err)
	}
	var whole bytes.Buffer
	if err := set.Execute(&whole, page); err != nil {
		return fmt.Errorf("render page %s: %w", page.Name, err)
	}
	w.Header().Set("Content-Type", htmlType)
	w.WriteHeader(page.Status)
	_, _ = whole.WriteTo(w) // the client may have disconnected
	return nil
}

// pageFuncs are the functions of the templates.
var pageFuncs = template.FuncMap{
	"time": showTime, "stamp": stamp, "tone": tone, "words": words, "deref": deref, "plural": plural,
}

func getStyle(w http.ResponseWriter, _ *http.Request) error {
	return serveFile(w, "page/style.css", "text/css; charset=utf-8")
}

func getScript(w http.ResponseWriter, _ *http.Request) error {
	return serveFile(w, "page/page.js", "text/javascript; charset=utf-8")
}

func serveFile(w http.ResponseWriter, name, kind string) error {
	content, err := pageFiles.ReadFile(name)
	if err != nil {
		return fmt.Errorf("read file of the page: %w", err)
	}
	w.Header().Set("Content-Type", kind)
	_, _ = w.Write(content) // the client may have disconnected
	return nil
}

func showTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }
func stamp(t time.Time) string    { return t.UTC().Format(time.RFC3339Nano) }

// tone returns the color for a status. The page never shows a status by color alone.
func tone(status order.Status) string {
	switch status {
	case order.StatusShipped:
		return "good"
	case order.StatusFulfilling:
		return "busy"
	case order.StatusRejected, order.StatusCancelled:
		return "bad"
	case order.StatusOnHold, order.StatusCancelling:
		return "warn"
	default:
		return ""
	}
}

// words turns a code into lower-case words: INSUFFICIENT_CREDIT becomes insufficient
// credit.
func words(code any) string {
	return strings.ToLower(strings.NewReplacer("_", " ", "-", " ").Replace(fmt.Sprint(code)))
}

func deref(n *int) int { return *n }

// plural returns a number with the form of a noun that belongs to it.
func plural(n int64, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.FormatInt(n, 10) + " " + more
}
