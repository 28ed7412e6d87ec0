package kurrentsim_test

import (
	"strings"
	"testing"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim"
)

func TestStreamName(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	t.Run("has any length", func(t *testing.T) {
		name := strings.Repeat("x", 9000)
		w.append(name, kurrentdb.NoStream{}, event("a"))
		require.Len(t, w.readStream(name, kurrentdb.ReadStreamOptions{}), 1)
	})
	t.Run("outside ASCII breaks refusals about it, and nothing else", func(t *testing.T) {
		w.append("größe", kurrentdb.NoStream{}, event("a"))
		require.Len(t, w.readStream("größe", kurrentdb.ReadStreamOptions{}), 1)
		_, err := w.tryAppend("größe", kurrentdb.NoStream{}, event("a"))
		requireCode(t, err, kurrentdb.ErrorCodeWrongExpectedVersion)
		require.NoError(t, w.tombstone("größe", kurrentdb.Any{}))
		_, err = w.tryAppend("größe", kurrentdb.Any{}, event("b"))
		requireCode(t, err, kurrentdb.ErrorCodeUnknown)
		require.ErrorContains(t, err, "500 (Internal Server Error)")
	})
	t.Run("of a metastream can be deleted, which hides nothing, and tombstoned", func(t *testing.T) {
		w.setMetadata("s-1", func(m *kurrentdb.StreamMetadata) { m.SetMaxCount(1) })
		w.append("s-1", kurrentdb.NoStream{}, events(3)...)
		require.NoError(t, w.delete("$$s-1", kurrentdb.Any{}))
		require.Len(t, w.readStream("$$s-1", kurrentdb.ReadStreamOptions{}), 1)
		require.Len(t, w.readStream("s-1", kurrentdb.ReadStreamOptions{}), 1, "the metadata applies")
		require.NoError(t, w.tombstone("$$s-1", kurrentdb.Any{}))
		_, err := w.tryReadStream("$$s-1", kurrentdb.ReadStreamOptions{})
		requireCode(t, err, kurrentdb.ErrorCodeStreamDeleted)
		require.Len(t, w.readStream("s-1", kurrentdb.ReadStreamOptions{}), 3, "and no longer after the stream was deleted")
	})
}
