package email_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/email"
	"orderflow/internal/order"
)

func TestParcelKind(t *testing.T) {
	t.Parallel()
	require.Equal(t, email.KindShipment, email.ParcelKind(1))
	require.Equal(t, email.Kind("shipment-2"), email.ParcelKind(2))
	for n := 1; n <= order.MaxParcels; n++ {
		kind := email.ParcelKind(n)
		require.Equal(t, n, kind.Parcel())
		require.Equal(t, email.KindShipment, kind.Base())
		require.True(t, kind.Known())
	}
	for _, kind := range []email.Kind{
		email.ParcelKind(order.MaxParcels + 1), "shipment-0", "shipment-1", "shipment-02", "shipment-", "shipment-x", "confirmation-2", "",
	} {
		require.Zero(t, kind.Parcel(), kind)
		require.False(t, kind.Known(), kind)
	}
	require.Equal(t, email.KindConfirmation, email.KindConfirmation.Base())
	require.True(t, email.KindConfirmation.Known())
}
