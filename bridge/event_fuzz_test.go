package bridge_test

import (
	"errors"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"orderflow/bridge"
)

// FuzzDecode decodes events into values of several kinds. The reason of one that does not
// fit is on one line, and quotes nothing of it: a parked event's reason goes to the server,
// to logs and to terminals.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"id":"a","count":1,"at":"2025-01-01T00:00:00Z","tags":{"a":"b"},"list":[1]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		event := bridge.Event{ContentType: "application/json", Data: data}
		var into struct {
			ID    string            `json:"id"`
			Count int               `json:"count"`
			Tags  map[string]string `json:"tags"`
			List  []int8            `json:"list"`
		}
		err := event.Decode(&into)
		if err == nil {
			return
		}
		var parked *bridge.ParkError
		require.True(t, errors.As(err, &parked))
		require.Less(t, len(parked.Reason), 200)
		for _, r := range parked.Reason {
			require.True(t, r < unicode.MaxASCII && unicode.IsPrint(r), "%q", parked.Reason)
		}
	})
}
