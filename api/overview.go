package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"orderflow/internal/order"
	"orderflow/internal/postgres"
	"orderflow/internal/view"
)

// startOrders is how many orders the start page shows: the newest ones.
const startOrders = 10

// startBody is the data of the start page.
type startBody struct {
	Statuses  []statusCount
	Attention attention
	Held      []heldOrder
	Charts    []chart
	Recent    []listedOrder
	LagEvents *int
	Known     bool // PostgreSQL could be read
}

// statusCount is how many orders have a status.
type statusCount struct {
	Status order.Status
	Orders int64
}

// heldOrder is an order on hold with the time that is left to decide about it.
type heldOrder struct {
	view.Order
	Left string
}

// startPage shows what there is, and what needs a person. What a store that is unavailable
// knows is shown as unknown.
func (a *api) startPage(ctx context.Context) pageData {
	body := startBody{Attention: a.attention(ctx)}
	for _, o := range body.Attention.Held {
		body.Held = append(body.Held, heldOrder{o, a.timeLeft(o.HoldUntil)})
	}
	stats, err := a.stats(ctx)
	var recent orderList
	if err == nil {
		recent, err = a.list(ctx, postgres.OrderFilter{}, startOrders)
	}
	if err != nil {
		a.logger.Warn("showing an incomplete page", "error", err)
	} else {
		body.Known, body.LagEvents, body.Recent, body.Charts = true, recent.LagEvents, recent.Orders, chartsOf(stats.Hours)
		for _, status := range view.Statuses() {
			body.Statuses = append(body.Statuses, statusCount{status, stats.Statuses[status]})
		}
	}
	return pageData{Title: "Orders", Status: http.StatusOK, Name: "home", Body: body, Live: liveURL("")}
}

// Of returns how many orders have a status.
func (b startBody) Of(status string) int64 {
	for _, count := range b.Statuses {
		if string(count.Status) == status {
			return count.Orders
		}
	}
	return 0
}

func liveURL(orderID string) string {
	if orderID == "" {
		return "/live"
	}
	return "/live?order=" + url.QueryEscape(orderID)
}

// timeLeft returns how long it is until a time, as a person says it, or "" if it is not
// known.
func (a *api) timeLeft(until time.Time) string {
	left := until.Sub(a.now()).Round(time.Minute)
	hours, minutes := int(left.Hours()), int(left.Minutes())%60
	switch {
	case until.IsZero():
		return ""
	case left <= 0:
		return "ends now"
	case hours >= 48:
		return fmt.Sprintf("%d days left", hours/24)
	case hours > 0:
		return fmt.Sprintf("%d h %d min left", hours, minutes)
	default:
		return fmt.Sprintf("%d min left", minutes)
	}
}

// doneText returns what came of an action, by the status that the order has now.
func doneText(name string, status order.Status) string {
	done := map[string]struct {
		status         order.Status
		done, accepted string
	}{
		"ship":    {order.StatusShipped, "The order is shipped.", "The order accepted the shipment."},
		"cancel":  {order.StatusCancelled, "The order is canceled.", "The request to cancel is recorded. It takes effect unless the order ships first."},
		"approve": {order.StatusFulfilling, "The order is approved.", "The order accepted the approval."},
		"decline": {order.StatusRejected, "The order is declined.", "The order accepted the refusal."},
	}[name]
	if status == done.status {
		return done.done
	}
	return done.accepted
}

// The size of a chart, in its own units.
const (
	chartHeight = 40
	barWidth    = 8
	barStep     = 10
)

// chart is a bar chart of one figure by the hour.
type chart struct {
	Title string
	Tone  string
	Total int64
	Label string // for readers who do not see it
	Width int
	Bars  []chartBar
}

// chartBar is the bar of an hour.
type chartBar struct {
	X, Y, Width, Height int
	Label               string
}

// chartsOf returns the charts of the figures that say how the shop is doing.
func chartsOf(hours []statsHour) []chart {
	return []chart{
		newChart("placed", "busy", hours, func(h statsHour) int64 { return h.Placed }),
		newChart("shipped", "good", hours, func(h statsHour) int64 { return h.Shipped }),
		newChart("rejected or canceled", "bad", hours, func(h statsHour) int64 { return h.Rejected + h.Cancelled }),
	}
}

func newChart(title, tone string, hours []statsHour, figure func(statsHour) int64) chart {
	c := chart{Title: title, Tone: tone, Width: len(hours)*barStep - (barStep - barWidth)}
	var most int64
	for _, h := range hours {
		c.Total += figure(h)
		most = max(most, figure(h))
	}
	for n, h := range hours {
		height := 1
		if most > 0 {
			height = max(1, int(figure(h)*chartHeight/most))
		}
		c.Bars = append(c.Bars, chartBar{
			X: n * barStep, Y: chartHeight - height, Width: barWidth, Height: height,
			Label: fmt.Sprintf("%s: %d", h.From.Format("15:04"), figure(h)),
		})
	}
	c.Label = fmt.Sprintf("Orders %s by the hour: %d in 24 hours, at most %d in one.", title, c.Total, most)
	return c
}

// listBody is the data of the page with a list.
type listBody struct {
	Statuses []order.Status
	Reasons  []order.Reason
	Filter   url.Values
	List     orderList
	Next     string   // the page's query
	Fault    *problem // of the filter; nil if it is right
}

// Chosen returns what a filter is set to.
func (b listBody) Chosen(name string) string { return b.Filter.Get(name) }

// dateOnly matches a day, which a person may enter for its beginning.
var dateOnly = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)

// getListPage serves the page with a list of orders, of which it shows a page at a time.
func (a *api) getListPage(w http.ResponseWriter, r *http.Request) error {
	return a.show(w, r, func(ctx context.Context) (pageData, error) { return a.listPage(ctx, r.URL.Query()) })
}

func (a *api) listPage(ctx context.Context, query url.Values) (pageData, error) {
	body := listBody{Statuses: view.Statuses(), Reasons: order.Reasons(), Filter: query}
	page := pageData{Title: "Orders", Status: http.StatusOK, Name: "list", Live: liveURL("")}
	asked := url.Values{}
	for name, values := range query {
		for _, value := range values {
			value = strings.TrimSpace(value)
			if name == placedParam && dateOnly.MatchString(value) {
				value += "T00:00:00Z"
			}
			asked.Add(name, value)
		}
	}
	filter, limit, err := parseFilter(asked)
	if err != nil {
		body.Fault = toProblem(err)
		page.Status, page.Body, page.Live = body.Fault.Status, body, ""
		return page, nil
	}
	if body.List, err = a.list(ctx, filter, limit); err != nil {
		return pageData{}, err
	}
	if body.List.NextCursor != nil {
		asked.Set(cursorParam, *body.List.NextCursor)
		for name := range asked {
			if asked.Get(name) == "" {
				asked.Del(name)
			}
		}
		body.Next = "/list?" + asked.Encode()
	}
	page.Title, page.Body = listTitle(filter), body
	return page, nil
}

// listTitle returns the title of a list: Late fulfilling orders.
func listTitle(filter postgres.OrderFilter) string {
	var title []string
	if filter.Late {
		title = append(title, "late")
	}
	if filter.Status != "" {
		title = append(title, words(filter.Status))
	}
	return capital(strings.Join(append(title, "orders"), " "))
}
