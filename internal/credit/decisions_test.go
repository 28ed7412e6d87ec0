package credit_test

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/credit"
)

func TestDecisions(t *testing.T) {
	t.Parallel()
	account := given(t, opened(t, "USD1000.00"), reserved(t, "order-1", "USD400.00"), reserved(t, "order-2", "USD1.00"))
	draft := account.Draft()
	require.NoError(t, draft.Apply(released(t, "order-2", "USD1.00", "paid")))
	require.NoError(t, draft.Apply(reserved(t, "order-3", "USD2.00")))
	require.Equal(t, map[string]credit.Decision{
		"order-1": decided(t, "reserved", "", "USD400.00"), "order-2": decided(t, "reserved", "", "USD1.00"),
	}, maps.Collect(account.Decisions()))
	require.Equal(t, map[string]credit.Decision{
		"order-1": decided(t, "reserved", "", "USD400.00"), "order-2": decided(t, "released", "paid", "USD1.00"),
		"order-3": decided(t, "reserved", "", "USD2.00"),
	}, maps.Collect(draft.Decisions()))
	for range draft.Decisions() {
		break // a caller may stop early
	}
}
