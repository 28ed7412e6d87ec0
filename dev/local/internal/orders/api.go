package orders

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"orderflow/internal/order"
)

// ErrUnknown reports that the api knows no order with an id.
var ErrUnknown = errors.New("order is unknown")

const (
	// stateTimeout bounds the queries about one order. The api waits up to two seconds for
	// a busy worker.
	stateTimeout = 10 * time.Second

	// maxResponse is more than any response about one order.
	maxResponse = 64 << 10
)

// API looks up orders in the api, as any other client of it does.
type API struct {
	URL   string
	Token string // empty if the api asks for none
	HTTP  *http.Client
}

// State returns the state of an order. It returns ErrUnknown if there is none. An order
// is pending from the moment it is placed, even if its event was parked since.
func (a API) State(ctx context.Context, orderID string) (state order.State, err error) {
	ctx, cancel := context.WithTimeout(ctx, stateTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL+"/orders/"+url.PathEscape(orderID), nil)
	if err != nil {
		return state, err
	}
	if a.Token != "" {
		request.Header.Set("Authorization", "Bearer "+a.Token)
	}
	response, err := a.HTTP.Do(request)
	if err != nil {
		return state, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxResponse))
	switch {
	case err != nil:
		return state, fmt.Errorf("get %s: %w", orderID, err)
	case response.StatusCode == http.StatusNotFound:
		return state, ErrUnknown
	case response.StatusCode != http.StatusOK:
		return state, fmt.Errorf("get %s: %s: %s", orderID, response.Status, body)
	}
	if err := json.Unmarshal(body, &state); err != nil {
		return order.State{}, fmt.Errorf("get %s: %w", orderID, err)
	}
	return state, nil
}
