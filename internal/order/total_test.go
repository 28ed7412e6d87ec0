package order_test

import (
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"orderflow/internal/order"
)

func TestDecodePlaced_TotalsAreRoundedHalfUpByLine(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		lines []string
		want  string
	}{
		"three times half a cent up":     {[]string{line("1", "USD0.05", "0.10"), line("1", "USD0.05", "0.10"), line("1", "USD0.05", "0.10")}, "USD0.18"},
		"one line of three rounds once":  {[]string{line("3", "USD0.05", "0.10")}, "USD0.17"},
		"half goes up, not to even":      {[]string{line("1", "USD0.125", "0")}, "USD0.13"},
		"just below half goes down":      {[]string{line("1", "USD0.1249999999", "0")}, "USD0.12"},
		"a price finer than the cent":    {[]string{line("1000", "USD0.0015", "0")}, "USD1.50"},
		"yen have no decimals":           {[]string{line("1", "JPY105", "0.1")}, "JPY116"},
		"dinars have three":              {[]string{line("1", "KWD0.0005", "0")}, "KWD0.001"},
		"francs are not rounded to 0.05": {[]string{line("1", "CHF0.93", "0")}, "CHF0.93"},
		"more than 19 digits in between": {[]string{line("999999", "USD46116831.1234567891", "0.9999999999")}, "USD92233570008639.65"},
		"as large as it can be":          {[]string{line("1", "USD92233720368547758.07", "0")}, "USD92233720368547758.07"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, decode(t, oneLine(strings.Join(test.lines, ","))).Total.String())
		})
	}
}

func TestDecodePlaced_PricesAndRatesAreExact(t *testing.T) {
	t.Parallel()
	tests := []struct{ price, rate, wantPrice, wantRate string }{
		{"USD763.2", "0.21", "763.20", "0.21"},
		{"USD763", "0", "763.00", "0"},
		{"USD0.0015", "0.0600", "0.0015", "0.06"},
		{"JPY100.0", "1", "100", "1"},
		{"USD1.50000000000000", "21e-2", "1.50", "0.21"},
		{"USD0.0000000001", "1E0", "0.0000000001", "1"},
	}
	for _, test := range tests {
		got := decode(t, oneLine(line("1000000", test.price, test.rate)+","+line("1", test.price[:3]+"1", "0"))).Lines[0]
		require.Equal(t, test.wantPrice, got.UnitPrice)
		require.Equal(t, test.wantRate, got.TaxRate)
	}
}

// TestDecodePlaced_TotalsMatchIntegerArithmetic computes totals a second way: in whole
// numbers of 10^-20 of the minor unit.
func TestDecodePlaced_TotalsMatchIntegerArithmetic(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var lines []string
		want := new(big.Int)
		for range rapid.IntRange(1, 20).Draw(t, "lines") {
			quantity := rapid.Int64Range(1, 1_000_000).Draw(t, "quantity")
			price := rapid.Int64Range(0, 1e17).Draw(t, "price in 10^-10")
			rate := rapid.Int64Range(0, 1e10).Draw(t, "rate in 10^-10")
			lines = append(lines, line(fmt.Sprint(quantity), "USD"+tenDecimals(price), tenDecimals(rate)))
			want.Add(want, centsHalfUp(quantity, price, rate))
		}
		placed, err := order.DecodePlaced(stream, jsonType, []byte(oneLine(strings.Join(lines, ","))))
		if want.Sign() == 0 {
			requireInvalid(t, err, "lineItems", "must come to more than 0")
			return
		}
		require.NoError(t, err)
		require.Equal(t, want.Int64(), placed.Total.Minor)
	})
}

func tenDecimals(n int64) string { return fmt.Sprintf("%d.%010d", n/1e10, n%1e10) }

func centsHalfUp(quantity, price, rate int64) *big.Int {
	gross := big.NewInt(quantity)
	gross.Mul(gross, big.NewInt(price))
	gross.Mul(gross, big.NewInt(1e10+rate)) // in 10^-20 dollars, so 10^-18 cents
	unit := big.NewInt(1e18)
	gross.Add(gross, big.NewInt(5e17))
	return gross.Div(gross, unit)
}

// requireSound checks the invariants of every accepted order.
func requireSound(t require.TestingT, placed order.Placed) {
	require.True(t, order.ValidID(placed.OrderID))
	require.NotEmpty(t, strings.TrimSpace(placed.CustomerID))
	require.LessOrEqual(t, len(placed.CustomerID), 128)
	require.Positive(t, placed.Total.Minor)
	require.Equal(t, 1, strings.Count(placed.Email, "@"))
	require.LessOrEqual(t, len(placed.Email), 320)
	require.NotContains(t, placed.Email, "\n")
	require.GreaterOrEqual(t, placed.PlacedAt.Year(), 1970)
	require.NotContains(t, fmt.Sprint(placed), "\x00")
	require.Equal(t, placed.PlacedAt, placed.PlacedAt.UTC().Truncate(time.Microsecond))
	_, err := placed.PlacedAt.MarshalJSON()
	require.NoError(t, err)
	require.NotEmpty(t, placed.Lines)
	sum := int64(0)
	for i, l := range placed.Lines {
		require.Equal(t, i+1, l.No)
		require.NotEmpty(t, l.ProductID)
		require.Positive(t, l.Quantity)
		require.Regexp(t, `^\d+(\.\d+)?$`, l.UnitPrice)
		require.Regexp(t, `^(0(\.\d+)?|1)$`, l.TaxRate)
		require.Equal(t, placed.Total.Currency, l.Total.Currency)
		sum += l.Total.Minor
	}
	require.Equal(t, sum, placed.Total.Minor)
}

func FuzzDecodePlaced(f *testing.F) {
	f.Add([]byte(placedBody))
	f.Add([]byte(oneLine(line("1e2", "JPY0.5", "1"))))
	f.Add([]byte(oneLine(line("1", "KWD0.0005", "21e-2"))))
	f.Add([]byte(`{"orderId":"order-1","orderId":"order-1"}`))
	f.Add([]byte("\xef\xbb\xbf{}"))
	f.Add([]byte(`{"lineItems":[{"quantity":1e999999999}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		placed, err := order.DecodePlaced(stream, jsonType, body)
		if err != nil {
			requirePrintable(t, err)
			require.Zero(t, placed)
			return
		}
		requireSound(t, placed)
	})
}
