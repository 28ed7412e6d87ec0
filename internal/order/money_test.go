package order_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"orderflow/internal/order"
)

func TestParseMoney_MinorUnits(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		want    order.Money
		written string
	}{
		"USD4885.49":                {order.Money{Minor: 488549, Currency: "USD"}, "USD4885.49"},
		"USD0":                      {order.Money{Minor: 0, Currency: "USD"}, "USD0.00"},
		"USD007.5":                  {order.Money{Minor: 750, Currency: "USD"}, "USD7.50"},
		"EUR1.2300000":              {order.Money{Minor: 123, Currency: "EUR"}, "EUR1.23"},
		"JPY1500":                   {order.Money{Minor: 1500, Currency: "JPY"}, "JPY1500"},
		"JPY1500.00":                {order.Money{Minor: 1500, Currency: "JPY"}, "JPY1500"},
		"KWD1.234":                  {order.Money{Minor: 1234, Currency: "KWD"}, "KWD1.234"},
		"CLF1.2345":                 {order.Money{Minor: 12345, Currency: "CLF"}, "CLF1.2345"},
		"CHF0.01":                   {order.Money{Minor: 1, Currency: "CHF"}, "CHF0.01"},
		"IDR10.50":                  {order.Money{Minor: 1050, Currency: "IDR"}, "IDR10.50"},
		"HUF10.55":                  {order.Money{Minor: 1055, Currency: "HUF"}, "HUF10.55"},
		"USD92233720368547758.07":   {order.Money{Minor: math.MaxInt64, Currency: "USD"}, "USD92233720368547758.07"},
		"JPY9223372036854775807.00": {order.Money{Minor: math.MaxInt64, Currency: "JPY"}, "JPY9223372036854775807"},
	}
	for text, test := range tests {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			got, err := order.ParseMoney(text)
			require.NoError(t, err)
			require.Equal(t, test.want, got)
			require.Equal(t, test.written, got.String())
		})
	}
}

func TestParseMoney_Invalid(t *testing.T) {
	t.Parallel()
	const form, currency = "must be money like USD12.34", "must be in a currency of ISO 4217"
	tests := map[string]string{
		"": form, "USD": form, "12": form, "US12.00": form, "USDD1": form, "usd1": form, "USD.5": form, "USD5.": form,
		"USD1.2.3": form, "USD1e3": form, "USD+1": form, "USD 1": form, "USD1 ": form, "USD１": form, "USD--1": form,
		"USD-1":                           "must not be negative",
		"XXX1":                            currency,
		"XTS1":                            currency,
		"XAU1":                            currency,
		"ABC1":                            currency,
		"DEM1":                            currency,
		"USD0.001":                        "must not have more decimals than its currency",
		"JPY0.5":                          "must not have more decimals than its currency",
		"KWD0.0001":                       "must not have more decimals than its currency",
		"USD92233720368547758.08":         "is too large",
		"USD" + strings.Repeat("0", 62):   "is too large",
		"USD1" + strings.Repeat("0", 1e6): "is too large",
	}
	for text, want := range tests {
		_, err := order.ParseMoney(text)
		require.EqualError(t, err, want, "%.30q", text)
	}
}

func TestMoney_JSONString(t *testing.T) {
	t.Parallel()
	type holder struct{ Total order.Money }
	data, err := json.Marshal(holder{usd(488549)})
	require.NoError(t, err)
	require.JSONEq(t, `{"Total":"USD4885.49"}`, string(data))

	var read holder
	require.NoError(t, json.Unmarshal(data, &read))
	require.Equal(t, usd(488549), read.Total)
	require.Error(t, json.Unmarshal([]byte(`{"Total":4885.49}`), &read))
	require.Error(t, json.Unmarshal([]byte(`{"Total":"4885.49"}`), &read))
}

func TestMoney_ZeroValueIsEmptyString(t *testing.T) {
	t.Parallel()
	data, err := json.Marshal(order.Money{})
	require.NoError(t, err)
	require.Equal(t, `""`, string(data))
	read := usd(1)
	require.NoError(t, json.Unmarshal(data, &read))
	require.Equal(t, order.Money{}, read)
	require.Empty(t, order.Money{}.String())
}

func TestMoney_MarshalTextInvalid(t *testing.T) {
	t.Parallel()
	for _, money := range []order.Money{usd(-1), {Minor: 1}, {Minor: 1, Currency: "XXX"}, {Currency: "usd"}} {
		_, err := money.MarshalText()
		require.Error(t, err, "%v", money)
	}
	require.Equal(t, "USD-0.05", usd(-5).String(), "a message may still show it")
}

func TestMoney_IsZero(t *testing.T) {
	t.Parallel()
	require.True(t, order.Zero("EUR").IsZero())
	require.True(t, order.Money{}.IsZero())
	require.False(t, usd(1).IsZero())
	require.Equal(t, "EUR0.00", order.Zero("EUR").String())
	require.Equal(t, "0.00", order.Zero("EUR").Decimal())
}

func TestMoney_RoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		money := order.Money{
			Minor:    rapid.Int64Range(0, math.MaxInt64).Draw(t, "minor"),
			Currency: rapid.SampledFrom([]string{"USD", "EUR", "JPY", "KWD", "CLF", "ISK", "XOF", "TND"}).Draw(t, "currency"),
		}
		text, err := money.MarshalText()
		require.NoError(t, err)
		parsed, err := order.ParseMoney(string(text))
		require.NoError(t, err)
		require.Equal(t, money, parsed)
	})
}

func FuzzParseMoney(f *testing.F) {
	for _, seed := range []string{"USD4885.49", "JPY1500", "KWD0.001", "USD-1", "XXX1", "USD1e9", "USD92233720368547758.08"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		money, err := order.ParseMoney(text)
		if err != nil {
			require.Zero(t, money)
			return
		}
		require.GreaterOrEqual(t, money.Minor, int64(0))
		again, err := order.ParseMoney(money.String())
		require.NoError(t, err)
		require.Equal(t, money, again)
	})
}
