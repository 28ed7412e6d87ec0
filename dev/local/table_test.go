package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/dev/local/internal/orders"
	"orderflow/internal/order"
)

func TestTable(t *testing.T) {
	t.Parallel()
	t.Run("draws each board over the previous one", func(t *testing.T) {
		t.Parallel()
		var out bytes.Buffer
		shown := newTable(&out, func() int { return 0 }, board{}, newTestHinter())
		first := strings.Count(out.String(), "\n")
		out.Reset()

		shown.show([]orders.Seen{seen("order-a", order.StatusShipped, 0)})

		require.True(t, strings.HasPrefix(out.String(), fmt.Sprintf("\x1b[?7l\r\x1b[%dA", first)), "%q", out.String())
		require.Contains(t, out.String(), "order-a")
		require.True(t, strings.HasSuffix(out.String(), "\n\x1b[J\x1b[?7h"), "the rest of a longer board is cleared: %q", out.String())
		require.Equal(t, strings.Count(out.String(), "\n"), strings.Count(out.String(), "\x1b[K\n"), "each line is cleared to its end")
	})
	t.Run("keeps a message until orders are shown again", func(t *testing.T) {
		t.Parallel()
		var out bytes.Buffer
		shown := newTable(&out, func() int { return 0 }, board{}, newTestHinter())
		shown.say("the api is down")
		require.Contains(t, out.String(), "the api is down")
		out.Reset()
		shown.show(nil)
		require.NotContains(t, out.String(), "the api is down")
	})
	t.Run("never scrolls", func(t *testing.T) {
		t.Parallel()
		var many []orders.Seen
		for i := range 40 {
			many = append(many, seen(fmt.Sprintf("order-%02d", i), order.StatusFulfilling, 0))
		}
		for _, height := range []int{13, 24, 50} {
			var out bytes.Buffer
			shown := newTable(&out, func() int { return height }, board{}, newTestHinter())
			out.Reset()
			shown.show(many)
			require.Less(t, strings.Count(out.String(), "\n"), height)
		}
	})
}
