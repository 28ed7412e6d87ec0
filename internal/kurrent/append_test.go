package kurrent_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/kurrent"
)

func TestAppend_Expected(t *testing.T) {
	t.Parallel()
	client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
	first, second, third := kurrentsimtest.Event("a", `{"n":1}`), kurrentsimtest.Event("b", `{"n":2}`), kurrentsimtest.Event("c", `{"n":3}`)
	for _, step := range []struct {
		name     string
		expected kurrent.Expected
		events   []kurrent.NewEvent
		last     uint64
		err      error
	}{
		{name: "no stream yet", expected: kurrent.NoStream(), events: []kurrent.NewEvent{first}, last: 0},
		{name: "the same again", expected: kurrent.NoStream(), events: []kurrent.NewEvent{first}, last: 0},
		{name: "another event", expected: kurrent.NoStream(), events: []kurrent.NewEvent{second}, err: kurrent.ErrWrongRevision},
		{name: "ahead of the stream", expected: kurrent.At(5), events: []kurrent.NewEvent{second}, err: kurrent.ErrWrongRevision},
		{name: "at its end", expected: kurrent.At(0), events: []kurrent.NewEvent{second, third}, last: 2},
		{name: "the same two again", expected: kurrent.At(0), events: []kurrent.NewEvent{second, third}, last: 2},
		{name: "before its end", expected: kurrent.At(0), events: []kurrent.NewEvent{kurrentsimtest.Event("d", `{}`)}, err: kurrent.ErrWrongRevision},
		{name: "anywhere", expected: kurrent.Any(), events: []kurrent.NewEvent{kurrentsimtest.Event("e", `{}`)}, last: 3},
		{name: "nothing", expected: kurrent.Any(), err: kurrent.ErrInvalid},
		{name: "no id", expected: kurrent.Any(), events: []kurrent.NewEvent{{Type: "f"}}, err: kurrent.ErrInvalid},
		{name: "no type", expected: kurrent.Any(), events: []kurrent.NewEvent{{ID: uuid.New()}}, err: kurrent.ErrInvalid},
		{name: "too much", expected: kurrent.Any(), events: []kurrent.NewEvent{kurrentsimtest.Event("g", string(make([]byte, 16<<20)))}, err: kurrent.ErrTooLarge},
	} {
		last, err := client.Append(t.Context(), "append-1", step.expected, step.events...)
		require.ErrorIs(t, err, step.err, step.name)
		require.Equal(t, step.last, last, step.name)
	}
}

func TestAppend_DeletedStream(t *testing.T) {
	t.Parallel()
	server := kurrentsimtest.StartServer(t)
	client := kurrentsimtest.OpenClient(t, server.URL())
	require.NoError(t, appendOne(t.Context(), client, "append-1"))
	_, err := kurrentsimtest.OfficialClient(t, server.URL()).TombstoneStream(t.Context(), "append-1", kurrentdb.TombstoneStreamOptions{})
	require.NoError(t, err)
	require.ErrorIs(t, appendOne(t.Context(), client, "append-1"), kurrent.ErrDeleted)
	_, err = client.ReadEvent(t.Context(), "append-1", 0)
	require.ErrorIs(t, err, kurrent.ErrDeleted)
}
