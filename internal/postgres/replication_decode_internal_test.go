package postgres

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

// xlog wraps a message of pgoutput as the server sends it.
func xlog(message ...byte) []byte {
	return append(append([]byte{'w'}, make([]byte, 24)...), message...)
}

// describedHistory is the message that describes the history table, as relation 1.
func describedHistory() []byte {
	m := append([]byte{'R', 0, 0, 0, 1}, "public\x00"+historyTable+"\x00d"...)
	names := []string{"id", "order_id", "revision", "event_type", "old", "new"}
	m = binary.BigEndian.AppendUint16(m, uint16(len(names)))
	for _, name := range names {
		m = append(append(m, 0), name+"\x00"...)
		m = append(m, 0, 0, 0, 25, 0xff, 0xff, 0xff, 0xff)
	}
	return xlog(m...)
}

// insertedRow is the message of a row of relation 1. A nil value is NULL.
func insertedRow(values ...[]byte) []byte {
	m := binary.BigEndian.AppendUint16([]byte{'I', 0, 0, 0, 1, 'N'}, uint16(len(values)))
	for _, value := range values {
		if value == nil {
			m = append(m, 'n')
			continue
		}
		m = binary.BigEndian.AppendUint32(append(m, 't'), uint32(len(value)))
		m = append(m, value...)
	}
	return xlog(m...)
}

func row() []byte {
	return insertedRow([]byte("7"), []byte("order-1"), []byte("0"), []byte("order-approved"), nil, []byte(`{"order_id":"order-1"}`))
}

func TestDecoder(t *testing.T) {
	t.Parallel()
	d := newDecoder()
	_, known, err := d.read(describedHistory())
	require.NoError(t, err)
	require.False(t, known)
	message := row()
	change, known, err := d.read(message)
	require.NoError(t, err)
	require.True(t, known)
	for i := range message {
		message[i] = 0xff // the driver reuses its memory
	}
	require.Equal(t, &Version{ID: 7, OrderID: "order-1", EventType: "order-approved", New: []byte(`{"order_id":"order-1"}`)}, change.Version)
}

// A server, or an attacker on a connection without TLS, may send anything.
func TestDecoder_Undecodable(t *testing.T) {
	t.Parallel()
	for name, message := range map[string][]byte{
		"nothing":                      {},
		"an unknown message":           []byte("x"),
		"a short keepalive":            []byte("k1"),
		"a short log":                  []byte("w1"),
		"an empty log":                 xlog(),
		"an unknown kind":              xlog('?'),
		"a truncated table":            describedHistory()[:60],
		"a truncated begin":            xlog('B', 1),
		"a truncated commit":           xlog('C', 1),
		"a truncated row":              row()[:len(row())-1],
		"a row without its kind":       xlog('I', 0, 0, 0, 1),
		"the key of a row":             xlog('I', 0, 0, 0, 1, 'K', 0, 0),
		"fewer columns than announced": xlog('I', 0, 0, 0, 1, 'N', 0xff, 0xff, 'n'),
		"a column of 4 GiB":            xlog('I', 0, 0, 0, 1, 'N', 0, 1, 't', 0xff, 0xff, 0xff, 0xff, 'x'),
		"a column without its length":  xlog('I', 0, 0, 0, 1, 'N', 0, 1, 't', 0),
		"a column of an unknown kind":  xlog('I', 0, 0, 0, 1, 'N', 0, 1, '?'),
		"a binary column":              bytes.Replace(row(), []byte{'t'}, []byte{'b'}, 1),
		"an unchanged column":          bytes.Replace(row(), []byte{'n'}, []byte{'u'}, 1),
		"a row of another table":       xlog('I', 0, 0, 0, 9, 'N', 0, 0),
		"an id that is no number":      insertedRow([]byte("x"), nil, nil, nil, nil, nil),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDecoder()
			_, _, err := d.read(describedHistory())
			require.NoError(t, err)
			_, _, err = d.read(message)
			require.ErrorIs(t, err, ErrUndecodable)
		})
	}
}

// Messages that are not read may announce more than memory has.
func TestDecoder_SkipsOtherMessages(t *testing.T) {
	t.Parallel()
	for _, kind := range []byte{'O', 'Y', 'U', 'D', 'T', 'M'} {
		d := newDecoder()
		change, known, err := d.read(xlog(kind, 0xff, 0xff, 0xff, 0xff))
		require.NoError(t, err, string(kind))
		require.False(t, known)
		require.Zero(t, change)
	}
}

// FuzzDecoder reads arbitrary messages after the description of the history.
func FuzzDecoder(f *testing.F) {
	f.Add(describedHistory(), row())
	f.Fuzz(func(t *testing.T, first, second []byte) {
		d := newDecoder()
		_, _, err := d.read(describedHistory())
		require.NoError(t, err)
		for _, message := range [][]byte{first, second} {
			change, known, err := d.read(message)
			if err != nil {
				require.ErrorIs(t, err, ErrUndecodable)
				require.Less(t, len(err.Error()), 500)
			}
			if err != nil || !known {
				require.Nil(t, change.Version)
				continue
			}
			if v := change.Version; v != nil {
				require.LessOrEqual(t, len(v.OrderID)+len(v.EventType)+len(v.Old)+len(v.New), len(message))
			}
		}
	})
}
