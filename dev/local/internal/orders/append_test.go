package orders_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim"
	"orderflow/dev/local/internal/orders"
	"orderflow/dev/sampledata"
	"orderflow/internal/kurrent"
)

func newEventLog(t *testing.T) *kurrent.Client {
	t.Helper()
	server, err := kurrentsim.Start(kurrentsim.Options{})
	require.NoError(t, err)
	client, err := kurrent.Open(kurrent.Config{URL: server.URL(), AllowPlaintext: true})
	require.NoError(t, err)
	t.Cleanup(func() {
		client.Close()
		require.NoError(t, server.Stop(context.WithoutCancel(t.Context())))
	})
	return client
}

func newAppender(log orders.EventLog) *orders.Appender {
	return orders.NewAppender(log, func(string, ...any) {})
}

// events returns events whose ids and contents follow from their numbers.
func events(from, to int) []sampledata.Event {
	var made []sampledata.Event
	for i := from; i < to; i++ {
		made = append(made, sampledata.Event{
			ID: uuid.NewSHA1(uuid.Nil, fmt.Appendf(nil, "event %d", i)).String(), Type: "tested",
			ContentType: sampledata.ContentTypeJSON, Data: fmt.Appendf(nil, `{"n":%d}`, i),
		})
	}
	return made
}

func stream(from, to int) sampledata.Stream {
	return sampledata.Stream{Name: "test-1", Events: events(from, to)}
}

func stored(t *testing.T, log *kurrent.Client) (bodies []string) {
	t.Helper()
	require.NoError(t, log.ReadStream(t.Context(), "test-1", 0, 0, func(e kurrent.Event) error {
		bodies = append(bodies, string(e.Data))
		return nil
	}))
	return bodies
}

func TestAppend_SameStreamsAgain(t *testing.T) {
	t.Parallel()
	log := newEventLog(t)
	for range 3 {
		again := newAppender(log)
		require.NoError(t, again.Append(t.Context(), stream(0, 2)))
		require.NoError(t, again.Append(t.Context(), stream(2, 3)), "a stream appended again continues")
	}

	require.Equal(t, []string{`{"n":0}`, `{"n":1}`, `{"n":2}`}, stored(t, log))
}

func TestAppend_CompletesPartialStream(t *testing.T) {
	t.Parallel()
	log := newEventLog(t)
	require.NoError(t, newAppender(log).Append(t.Context(), stream(0, 2)))

	require.NoError(t, newAppender(log).Append(t.Context(), stream(0, 4)))

	require.Len(t, stored(t, log), 4)
}

func TestAppend_LongerStreamStaysUnchanged(t *testing.T) {
	t.Parallel()
	log := newEventLog(t)
	require.NoError(t, newAppender(log).Append(t.Context(), stream(0, 4)))

	require.NoError(t, newAppender(log).Append(t.Context(), stream(0, 2)))

	require.Len(t, stored(t, log), 4)
}

func TestAppend(t *testing.T) {
	t.Parallel()
	t.Run("splits appends that exceed the server limit", func(t *testing.T) {
		t.Parallel()
		log := newEventLog(t)
		big := stream(0, 7)
		for i := range big.Events {
			big.Events[i].Data = fmt.Appendf(nil, `{"n":%d,"padding":"%s"}`, i, strings.Repeat("x", 400<<10))
		}
		require.NoError(t, newAppender(log).Append(t.Context(), big))
		require.NoError(t, newAppender(log).Append(t.Context(), big), "the same batches again")
		require.Len(t, stored(t, log), 7)
	})
	t.Run("reports the size of an event that is too large", func(t *testing.T) {
		t.Parallel()
		log := newEventLog(t)
		big := stream(0, 2)
		big.Events[1].Data = fmt.Appendf(nil, `"%s"`, strings.Repeat("x", 1<<20))
		err := newAppender(log).Append(t.Context(), big)
		require.ErrorIs(t, err, kurrent.ErrTooLarge)
		require.ErrorContains(t, err, "1048590 bytes")
	})
}

func TestAppend_ManyEvents(t *testing.T) {
	t.Parallel()
	log := newEventLog(t)

	require.NoError(t, newAppender(log).Append(t.Context(), stream(0, 1201)))

	require.Len(t, stored(t, log), 1201)
}

func TestAppend_DifferentContent(t *testing.T) {
	t.Parallel()
	changed := func(change func(*sampledata.Event)) sampledata.Stream {
		s := stream(0, 2)
		change(&s.Events[1])
		return s
	}
	tests := map[string]struct {
		second sampledata.Stream
		want   string
	}{
		"different id": {
			changed(func(e *sampledata.Event) { e.ID = uuid.Max.String() }), "stream test-1, revision 1: holds event ",
		},
		"different type": {
			changed(func(e *sampledata.Event) { e.Type = "changed" }), "has type tested, not changed",
		},
		"different content under the same id": {
			changed(func(e *sampledata.Event) { e.Data = []byte(`{"n":9}`) }), "has different content there",
		},
		"different metadata under the same id": {
			changed(func(e *sampledata.Event) { e.Metadata = []byte(`{}`) }), "has different content there",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := newEventLog(t)
			require.NoError(t, newAppender(log).Append(t.Context(), stream(0, 2)))

			err := newAppender(log).Append(t.Context(), test.second)

			var different *orders.DifferentError
			require.ErrorAs(t, err, &different)
			require.ErrorContains(t, err, test.want)
			require.Len(t, stored(t, log), 2)
		})
	}
}

// flakyLog is an event log whose first appends fail without writing; the next one writes
// and still fails.
type flakyLog struct {
	*kurrent.Client
	failures int
}

func (s *flakyLog) Append(ctx context.Context, stream string, at kurrent.Expected, e ...kurrent.NewEvent) (uint64, error) {
	s.failures--
	if s.failures > 0 {
		return 0, fmt.Errorf("append: %w", kurrent.ErrUnavailable)
	}
	last, err := s.Client.Append(ctx, stream, at, e...)
	if s.failures == 0 && err == nil {
		return 0, fmt.Errorf("append: %w", kurrent.ErrUnavailable)
	}
	return last, err
}

func TestAppend_RetriesUnavailableEventStore(t *testing.T) {
	t.Parallel()
	log := &flakyLog{Client: newEventLog(t), failures: 2}
	var messages []string
	waiting := orders.NewAppender(log, func(format string, args ...any) { messages = append(messages, fmt.Sprintf(format, args...)) })

	require.NoError(t, waiting.Append(t.Context(), stream(0, 3)))

	require.Len(t, stored(t, log.Client), 3)
	require.Len(t, messages, 1)
	require.Contains(t, messages[0], "the event store is unavailable")
}

func TestAppend_WaitEndsWithContext(t *testing.T) {
	t.Parallel()
	log := &flakyLog{Client: newEventLog(t), failures: 1 << 30}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()

	err := newAppender(log).Append(ctx, stream(0, 1))

	require.True(t, errors.Is(err, kurrent.ErrUnavailable))
}
