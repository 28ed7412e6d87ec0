package store_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim/journal"
	"orderflow/dev/kurrentsim/store"
)

// FuzzAppend writes arbitrary requests. What is accepted is read back unchanged, also
// after the log is read again.
func FuzzAppend(f *testing.F) {
	f.Add("order-1", "placed", []byte(`{"n":1}`), []byte(`{"$correlationId":"c"}`), true)
	f.Add("$$order-1", "$metadata", []byte(`{"$maxCount":1,"$tb":9223372036854775807}`), []byte(nil), true)
	f.Add("order-1", "$>", []byte("0@order-1"), []byte("{"), false)
	f.Add("$ce-order", "$streamDeleted", []byte("\xff"), []byte("\x00"), true)
	f.Fuzz(func(t *testing.T, stream, eventType string, data, metadata []byte, json bool) {
		storage := &journal.Memory{}
		s := open(t, storage)
		event := store.NewEvent{ID: uuid.New(), Type: eventType, JSON: json, Data: data, Metadata: metadata}
		written, err := s.Append(stream, store.Any, []store.NewEvent{event})
		if err != nil {
			return
		}
		for _, s := range []*store.Store{s, open(t, storage)} {
			page, err := s.ReadAll(store.AllQuery{From: s.CursorAt(written.Position), Limit: 10})
			require.NoError(t, err)
			found := page.Events[0]
			require.Equal(t, event.ID, found.ID)
			require.Equal(t, stream, found.Stream)
			require.Equal(t, eventType, found.Type)
			require.Equal(t, string(data), string(found.Data))
			require.Equal(t, string(metadata), string(found.Metadata))
			for _, record := range page.Events {
				_, err := s.Resolve(record)
				require.NoError(t, err)
			}
		}
	})
}
