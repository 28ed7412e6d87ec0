package sampledata_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"orderflow/dev/sampledata"
	"orderflow/internal/order"
)

func start() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 678_901_200, time.UTC) }

// placedBy decodes the order that a journey ends with.
func placedBy(t *testing.T, streams []sampledata.Stream) order.Placed {
	t.Helper()
	last := streams[len(streams)-1]
	require.Len(t, last.Events, 1)
	require.Equal(t, order.TypePlaced, last.Events[0].Type)
	placed, err := order.DecodePlaced(last.Name, last.Events[0].ContentType, last.Events[0].Data)
	require.NoError(t, err)
	return placed
}

func TestGenerator_EveryTenthOrderExceedsTheLimit(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5) {
		generator := sampledata.New(seed, start())
		for n := 1; n <= 300; n++ {
			placed := placedBy(t, generator.Next())
			require.Equal(t, "USD", placed.Total.Currency)
			if n%10 == 0 {
				require.Greater(t, placed.Total.Minor, int64(10_000_00), "order %d", n)
			} else {
				require.LessOrEqual(t, placed.Total.Minor, int64(6_000_00), "order %d", n)
			}
		}
	}
}

func TestGenerator_OtherOrdersFitTheCredit(t *testing.T) {
	t.Parallel()
	spent, returned := map[string]int64{}, 0
	generator := sampledata.New(7, start())
	for n := 1; n <= 2000; n++ {
		placed := placedBy(t, generator.Next())
		if n%10 == 0 {
			continue // rejected or on hold: reserves nothing
		}
		if spent[placed.CustomerID] > 0 {
			returned++
		}
		spent[placed.CustomerID] += placed.Total.Minor
		require.LessOrEqual(t, spent[placed.CustomerID], int64(10_000_00), "order %d", n)
	}
	require.Greater(t, returned, 100, "some customers must return")
}

func TestGenerator_SameSeed(t *testing.T) {
	t.Parallel()
	one, same, other := sampledata.New(0, start()), sampledata.New(0, start()), sampledata.New(1, start())
	for range 30 {
		first := one.Next()
		require.Equal(t, first, same.Next())
		require.NotEqual(t, first, other.Next())
	}
}

func TestGenerator_UniqueStreamsAndIDs(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	generator := sampledata.New(3, start())
	for range 300 {
		names := map[string]bool{}
		for _, stream := range generator.Next() {
			names[stream.Name] = true
			for _, event := range stream.Events {
				require.NoError(t, uuid.Validate(event.ID))
				require.False(t, seen[event.ID])
				seen[event.ID] = true
			}
		}
		for name := range names {
			require.False(t, seen[name])
			seen[name] = true
		}
	}
}

func TestGenerator_StreamsOfAJourney(t *testing.T) {
	t.Parallel()
	generator := sampledata.New(11, start())
	for range 50 {
		streams := generator.Next()
		placed := placedBy(t, streams)
		require.Len(t, streams, 4)
		cart, checkout, end := streams[0], streams[1], streams[2]
		require.Regexp(t, `^cart-[0-9a-f]{32}$`, cart.Name)
		require.Equal(t, "checkout-for-"+cart.Name, checkout.Name)
		require.Equal(t, cart.Name, end.Name)
		require.Regexp(t, `^order-[0-9a-f]{32}$`, placed.OrderID)
		require.Equal(t, []string{"cart-got-checked-out"}, types(end))
		require.Contains(t, []string{"visitor-started-shopping", "customer-started-shopping"}, types(cart)[0])
		require.Equal(t, "checkout-started", types(checkout)[0])
		require.Equal(t, "checkout-completed", types(checkout)[6])
		require.Contains(t, string(checkout.Events[0].Data), fmt.Sprintf(`"cart":"%s@%d"`, cart.Name, len(cart.Events)))
		require.Equal(t, lines(placed), inCart(t, cart), "the cart contains the ordered items")
	}
}

func TestGenerator_Times(t *testing.T) {
	t.Parallel()
	generator := sampledata.New(5, start())
	require.Equal(t, start().Truncate(time.Microsecond), placedBy(t, generator.Next()).PlacedAt)
	at := start().Add(48 * time.Hour)
	streams := generator.NextAt(at)
	require.Equal(t, at.Truncate(time.Microsecond), placedBy(t, streams).PlacedAt)
	before := time.Time{}
	for _, stream := range streams {
		for _, event := range stream.Events {
			var body struct{ At time.Time }
			require.NoError(t, json.Unmarshal(event.Data, &body))
			require.False(t, body.At.Before(before))
			before = body.At
		}
	}
}

func TestGenerator_Addresses(t *testing.T) {
	t.Parallel()
	generator := sampledata.New(9, start())
	for range 200 {
		streams := generator.Next()
		require.Regexp(t, `^[a-z]+\.[a-z]+\.\d+@example\.com$`, placedBy(t, streams).Email)
		for _, stream := range streams {
			for _, event := range stream.Events {
				data := strings.ReplaceAll(string(event.Data), stream.Name+"@", "")
				require.Equal(t, strings.Count(data, `"emailAddress"`), strings.Count(data, "@example.com"))
			}
		}
	}
}

func types(stream sampledata.Stream) []string {
	var types []string
	for _, event := range stream.Events {
		types = append(types, event.Type)
	}
	return types
}

func lines(placed order.Placed) map[string]int {
	quantities := map[string]int{}
	for _, line := range placed.Lines {
		quantities[line.ProductID] += line.Quantity
	}
	return quantities
}

// inCart sums what was added to a cart and removed from it.
func inCart(t *testing.T, cart sampledata.Stream) map[string]int {
	t.Helper()
	quantities := map[string]int{}
	for _, event := range cart.Events {
		var body struct {
			ProductID string
			Quantity  int
		}
		require.NoError(t, json.Unmarshal(event.Data, &body))
		switch event.Type {
		case "item-got-added-to-cart":
			quantities[body.ProductID] += body.Quantity
		case "item-got-removed-from-cart":
			quantities[body.ProductID] -= body.Quantity
		}
	}
	return quantities
}
