package credit_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/credit"
)

func TestParseLimits(t *testing.T) {
	t.Parallel()
	tests := map[string]map[string]string{
		"10000.00":                        {"USD": "USD10000.00", "JPY": "JPY10000", "KWD": "KWD10000.000"},
		"10000.00,EUR=8000.00,JPY=150000": {"USD": "USD10000.00", "EUR": "EUR8000.00", "JPY": "JPY150000"},
		"EUR=8000":                        {"EUR": "EUR8000.00"},
		"EUR=1 , 0":                       {"EUR": "EUR1.00", "USD": "USD0.00"},
	}
	for text, want := range tests {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			limits, err := credit.ParseLimits(text)
			require.NoError(t, err)
			again, err := credit.ParseLimits(limits.String())
			require.NoError(t, err)
			require.Equal(t, limits, again)
			for currency, limit := range want {
				got, err := limits.For(currency)
				require.NoError(t, err)
				require.Equal(t, limit, got.String())
			}
		})
	}
}

func TestParseLimits_Invalid(t *testing.T) {
	t.Parallel()
	const general = "must be one amount like 10000.00, then EUR=8000.00 for single currencies"
	const single = "must name single currencies like EUR=8000.00, in a currency of ISO 4217 and its decimals"
	tests := map[string]string{
		"": general, "x": general, "-1": general, "1e4": general, "1,2": general, "1,": general, "0.12345": general,
		"USD100": general, "EUR=": single, "EUR=x": single, "EUR=-1": single, "XXX=1": single, "eur=1": single,
		"JPY=0.5": single, "=EUR1": single, "EU=R1": single, "EUR=1,EUR=2": "must name EUR once",
	}
	for text, want := range tests {
		var limits credit.Limits
		require.EqualError(t, limits.UnmarshalText([]byte(text)), want, "%q", text)
	}
}

func TestLimits_For(t *testing.T) {
	t.Parallel()
	var none, named, fine credit.Limits
	require.NoError(t, named.UnmarshalText([]byte("EUR=1")))
	require.NoError(t, fine.UnmarshalText([]byte("10000.50")))
	for _, limits := range []credit.Limits{none, named, fine} {
		_, err := limits.For("JPY")
		require.ErrorIs(t, err, credit.ErrNoLimit)
	}
	_, err := fine.For("XXX")
	require.ErrorIs(t, err, credit.ErrNoLimit)
}

func TestUnknownPolicy(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"open", "hold", "reject"} {
		var policy credit.UnknownPolicy
		require.NoError(t, policy.UnmarshalText([]byte(text)))
		require.Equal(t, credit.UnknownPolicy(text), policy)
	}
	for _, text := range []string{"", "Open", "drop"} {
		var policy credit.UnknownPolicy
		require.EqualError(t, policy.UnmarshalText([]byte(text)), "must be open, hold or reject")
	}
}
