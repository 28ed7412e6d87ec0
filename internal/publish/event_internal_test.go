package publish

import (
	"encoding/json"
	"errors"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"orderflow/internal/fulfillment"
	"orderflow/internal/postgres"
)

// FuzzEventOf turns versions, as the replication log has them, into events. A version that
// can never be one is refused with a detail that quotes nothing; the others are JSON that
// every consumer decodes to the same.
func FuzzEventOf(f *testing.F) {
	f.Add("order-1", int64(0), fulfillment.TypeApproved, []byte(nil),
		[]byte(`{"order_id":"order-1","customer_id":"c","status":"fulfilling","total_minor":242,"currency":"USD","placed_at":"2025-01-01T00:00:00Z"}`))
	f.Fuzz(func(t *testing.T, id string, revision int64, kind string, before, after []byte) {
		if len(before) == 0 {
			before = nil // the column is NULL
		}
		version, event, err := eventOf(postgres.Version{OrderID: id, Revision: revision, EventType: kind, Old: before, New: after})
		if err != nil {
			var refused *Refusal
			require.True(t, errors.As(err, &refused))
			require.Less(t, len(refused.Detail), 300)
			for _, r := range refused.Detail {
				require.True(t, unicode.IsPrint(r), "%q", refused.Detail)
			}
			return
		}
		require.Equal(t, id, version.OrderID)
		require.True(t, json.Valid(event.Data))
		decoded, err := fulfillment.DecodeEvent(event.Data)
		require.NoError(t, err)
		require.Equal(t, id, decoded.OrderID)
		require.Equal(t, revision, decoded.Revision)
		require.Positive(t, decoded.Total.Minor)
	})
}
