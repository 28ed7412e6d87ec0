package main

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"orderflow/internal/order"
)

//go:embed page
var pageFiles embed.FS

const htmlType = "text/html; charset=utf-8"

// maxQuery bounds what is searched for: a longer one is nobody's id.
const maxQuery = 128

// shown is a page: the layout's part, and the page's own in Body.
type shown struct {
	Title  string
	Query  string
	Status int
	Name   string // of the template
	Body   any
}

// getPage shows an order or a customer to people: /?order=ID, /?customer=ID, or /?q=ID of
// either.
func (a *api) getPage(w http.ResponseWriter, r *http.Request) error {
	page, err := a.page(r.Context(), r.URL.Query())
	if err != nil {
		p := toProblem(err)
		logProblem(a.logger, r, p, err)
		p.setHeader(w.Header())
		page = shown{Title: p.Title, Status: p.Status, Name: "problem", Body: p}
	}
	return render(w, page)
}

func (a *api) page(ctx context.Context, query url.Values) (shown, error) {
	orderID, customerID, either := query.Get("order"), query.Get("customer"), strings.TrimSpace(query.Get("q"))
	switch {
	case len(orderID)+len(customerID)+len(either) > maxQuery:
		return shown{}, badField("q", "is longer than any id")
	case !isText(orderID + customerID + either):
		return shown{}, badField("q", "must be UTF-8 without a zero byte")
	case orderID != "":
		return a.orderPage(ctx, orderID)
	case customerID != "":
		return a.customerPage(ctx, customerID)
	case either != "":
		return a.search(ctx, either)
	default:
		return shown{Title: "Find an order or a customer", Status: http.StatusOK, Name: "home"}, nil
	}
}

// search tries what an id can be, in turn. An order's id may be given without its
// "order-".
func (a *api) search(ctx context.Context, id string) (shown, error) {
	tries := []func() (shown, error){
		func() (shown, error) { return a.orderPage(ctx, id) },
		func() (shown, error) { return a.customerPage(ctx, id) },
		func() (shown, error) { return a.orderPage(ctx, "order-"+id) },
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
	return shown{Title: "Nothing found", Query: id, Status: http.StatusNotFound, Name: "nothing", Body: id}, nil
}

// orderBody is what an order's page shows.
type orderBody struct {
	order.State
	way
	Links links
}

func (a *api) orderPage(ctx context.Context, id string) (shown, error) {
	if !order.ValidID(id) {
		return shown{}, notFound("there is no such order")
	}
	state, err := a.state(ctx, id)
	if err != nil {
		return shown{}, err
	}
	body := orderBody{State: state, way: a.way(ctx, state), Links: a.links}
	return shown{Title: id, Status: http.StatusOK, Name: "order", Body: body}, nil
}

// customerBody is what a customer's page shows.
type customerBody struct {
	customer
	Stream string // of the credit account
	Links  links
}

func (a *api) customerPage(ctx context.Context, id string) (shown, error) {
	if !order.ValidIdentifier(id) {
		return shown{}, notFound("there is no such customer")
	}
	found, err := a.customer(ctx, id)
	if err != nil {
		return shown{}, err
	}
	body := customerBody{customer: found, Stream: creditStream(id), Links: a.links}
	return shown{Title: "Customer " + id, Status: http.StatusOK, Name: "customer", Body: body}, nil
}

// render sends a page only when it is whole.
func render(w http.ResponseWriter, page shown) error {
	set, err := template.New("layout.html").Funcs(template.FuncMap{"time": showTime, "stamp": stamp, "tone": tone, "words": words, "deref": deref}).
		ParseFS(pageFiles, "page/layout.html", "page/"+page.Name+".html")
	if err != nil {
		return fmt.Errorf("parse page %s: %w", page.Name, err)
	}
	var whole bytes.Buffer
	if err := set.Execute(&whole, page); err != nil {
		return fmt.Errorf("render page %s: %w", page.Name, err)
	}
	w.Header().Set("Content-Type", htmlType)
	w.WriteHeader(page.Status)
	_, _ = whole.WriteTo(w) // whoever asked may have left
	return nil
}

func getStyle(w http.ResponseWriter, _ *http.Request) error {
	style, err := pageFiles.ReadFile("page/style.css")
	if err != nil {
		return fmt.Errorf("read style sheet: %w", err)
	}
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = w.Write(style) // whoever asked may have left
	return nil
}

func showTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }
func stamp(t time.Time) string    { return t.UTC().Format(time.RFC3339Nano) }

// tone is the colour of a status, which is never told by colour alone.
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

// words makes a sentence's words of a code: INSUFFICIENT_CREDIT is insufficient credit.
func words(code any) string {
	return strings.ToLower(strings.NewReplacer("_", " ", "-", " ").Replace(fmt.Sprint(code)))
}

func deref(n *int) int { return *n }
