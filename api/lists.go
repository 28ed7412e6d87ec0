package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"orderflow/internal/order"
	"orderflow/internal/postgres"
	"orderflow/internal/view"
)

const (
	// defaultListed and maxListed are how many orders a page of a list has.
	defaultListed = 50
	maxListed     = 200

	// statsHours is how many hours the statistics cover, the current one included.
	statsHours = 24
)

// listedOrder is an order of a list.
type listedOrder struct {
	recentOrder
	CustomerID string     `json:"customerId"`
	HoldUntil  *time.Time `json:"holdUntil"` // when the hold of an order on hold ends; null if there is none, or it is not known
}

// orderList is a page of a list of orders.
type orderList struct {
	Orders     []listedOrder `json:"orders"`
	NextCursor *string       `json:"nextCursor"` // of the next page; null on the last one
	AsOf       *time.Time    `json:"asOf"`
	LagEvents  *int          `json:"lagEvents"`
}

// listOrders responds with a page of the orders in the view, newest first.
func (a *api) listOrders(w http.ResponseWriter, r *http.Request) error {
	filter, limit, err := parseFilter(r.URL.Query())
	if err != nil {
		return err
	}
	found, err := a.list(r.Context(), filter, limit)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, found)
}

func (a *api) list(ctx context.Context, filter postgres.OrderFilter, limit int) (orderList, error) {
	page, err := a.lists.ListOrders(ctx, filter, limit)
	if err != nil {
		return orderList{}, err
	}
	list := orderList{Orders: listedOf(page.Orders), AsOf: timeOf(page.Position.EventAt), LagEvents: a.behind(ctx, page.Position)}
	if page.More {
		last := page.Orders[len(page.Orders)-1]
		next := cursorOf(postgres.OrderPlace{PlacedAt: last.PlacedAt, OrderID: last.OrderID})
		list.NextCursor = &next
	}
	return list, nil
}

func listedOf(orders []view.Order) []listedOrder {
	listed := make([]listedOrder, 0, len(orders))
	for _, o := range orders {
		listed = append(listed, listedOrder{recentOrder: recentOf(o), CustomerID: o.CustomerID, HoldUntil: timeOf(o.HoldUntil)})
	}
	return listed
}

// The parameters of a list.
const (
	statusParam   = "status"
	customerParam = "customerId"
	reasonParam   = "reason"
	placedParam   = "placedAfter"
	lateParam     = "late"
	limitParam    = "limit"
	cursorParam   = "cursor"
)

// isLate is the only value of lateParam: orders that are in time are no list to look at.
const isLate = "true"

// parseFilter reads the parameters of a list. An empty one counts as absent, as a form
// sends it. One that is not known is refused: a misspelled filter must not list all orders.
func parseFilter(query url.Values) (filter postgres.OrderFilter, limit int, err error) {
	for name, values := range query {
		known := []string{statusParam, customerParam, reasonParam, placedParam, lateParam, limitParam, cursorParam}
		switch {
		case !slices.Contains(known, name):
			return filter, 0, problemOf(http.StatusBadRequest, "the query has a parameter that is not known")
		case len(values) > 1:
			return filter, 0, badField(name, "must be given once")
		}
	}
	filter = postgres.OrderFilter{
		Status: order.Status(query.Get(statusParam)), CustomerID: query.Get(customerParam), Reason: order.Reason(query.Get(reasonParam)),
		Late: query.Get(lateParam) == isLate,
	}
	switch {
	case !filter.Late && query.Get(lateParam) != "":
		return filter, 0, badField(lateParam, "must be "+isLate)
	case filter.Status != "" && !slices.Contains(view.Statuses(), filter.Status):
		return filter, 0, badField(statusParam, "must be one of "+listing(view.Statuses()))
	case filter.Reason != "" && !slices.Contains(order.Reasons(), filter.Reason):
		return filter, 0, badField(reasonParam, "must be one of "+listing(order.Reasons()))
	case filter.CustomerID != "" && !order.ValidIdentifier(filter.CustomerID):
		return filter, 0, badField(customerParam, order.ErrInvalidIdentifier.Error())
	}
	return parsePlace(query, filter)
}

// parsePlace reads where a page of a list begins and ends.
func parsePlace(query url.Values, filter postgres.OrderFilter) (postgres.OrderFilter, int, error) {
	var err error
	if after := query.Get(placedParam); after != "" {
		filter.PlacedAfter, err = time.Parse(time.RFC3339, after)
		if err != nil || !order.ValidTime(filter.PlacedAfter) {
			return filter, 0, badField(placedParam, "must be a time like 2025-01-31T12:00:00Z")
		}
	}
	limit := defaultListed
	if wanted := query.Get(limitParam); wanted != "" {
		if limit, err = strconv.Atoi(wanted); err != nil || limit < 1 || limit > maxListed {
			return filter, 0, badField(limitParam, fmt.Sprintf("must be a number from 1 to %d", maxListed))
		}
	}
	if cursor := query.Get(cursorParam); cursor != "" {
		if filter.After, err = placeOf(cursor); err != nil {
			return filter, 0, badField(cursorParam, "must be the nextCursor of a page")
		}
	}
	return filter, limit, nil
}

func listing[T ~string](values []T) string {
	texts := make([]string, 0, len(values))
	for _, value := range values {
		texts = append(texts, string(value))
	}
	return strings.Join(texts, ", ")
}

// cursorOf returns the cursor of the page that follows an order: its place in the list,
// which no write changes. Callers must not look into it.
func cursorOf(last postgres.OrderPlace) string {
	var placed int64 = -1
	if !last.PlacedAt.IsZero() {
		placed = last.PlacedAt.UnixMicro()
	}
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(placed, 10) + " " + last.OrderID))
}

func placeOf(cursor string) (place postgres.OrderPlace, err error) {
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return place, err
	}
	at, id, _ := strings.Cut(string(text), " ")
	micros, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return place, err
	}
	place.OrderID = id
	if micros != -1 {
		place.PlacedAt = time.UnixMicro(micros).UTC()
	}
	if !order.ValidID(id) || micros != -1 && !order.ValidTime(place.PlacedAt) {
		return place, order.ErrInvalidID
	}
	return place, nil
}

// orderStats are figures about all orders of the view.
type orderStats struct {
	Statuses  map[order.Status]int64 `json:"statuses"`
	Hours     []statsHour            `json:"hours"` // the last 24, oldest first; the last one has not ended
	AsOf      *time.Time             `json:"asOf"`
	LagEvents *int                   `json:"lagEvents"`
}

// statsHour counts the orders that were placed, or reached their end, in an hour.
type statsHour struct {
	From time.Time `json:"from"`
	postgres.OrderHour
}

// getOrderStats responds with how many orders have each status, and how many were placed
// and ended in each of the last 24 hours.
func (a *api) getOrderStats(w http.ResponseWriter, r *http.Request) error {
	stats, err := a.stats(r.Context())
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, stats)
}

func (a *api) stats(ctx context.Context) (orderStats, error) {
	through := a.now().UTC().Truncate(time.Hour)
	found, err := a.lists.OrderStats(ctx, through.Add(-(statsHours-1)*time.Hour), through)
	if err != nil {
		return orderStats{}, err
	}
	stats := orderStats{
		Statuses: map[order.Status]int64{}, AsOf: timeOf(found.Position.EventAt), LagEvents: a.behind(ctx, found.Position),
	}
	for _, status := range view.Statuses() {
		stats.Statuses[status] = found.Statuses[status]
	}
	for n := range statsHours {
		from := through.Add(time.Duration(n-statsHours+1) * time.Hour)
		stats.Hours = append(stats.Hours, statsHour{From: from, OrderHour: found.Hours[from]})
	}
	return stats, nil
}
