package video

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

const id = "5f3c8a52-7d0c-4a6e-8a55-0c0d5cf0a001"

// stream returns messages of a video's stream, given as type and data in turn.
func stream(parts ...string) (messages []Message) {
	for i := 0; i < len(parts); i += 2 {
		messages = append(messages, Message{
			ID: uuid.New(), Stream: Stream(id), Revision: uint64(i / 2), Type: parts[i], Data: []byte(parts[i+1]),
			Metadata: []byte(`{"$correlationId":"t"}`),
		})
	}
	return messages
}

func TestFold(t *testing.T) {
	started := []string{TypeStarted, `{"title":"A"}`}
	for name, c := range map[string]struct {
		events []string
		status Status
		next   uint64
	}{
		"no event":                 {nil, StatusReceived, 0},
		"the first":                {started, StatusStarted, 1},
		"of an unknown type":       {append(started, "Praised", "?"), StatusStarted, 2},
		"after the last":           {append(started, TypeFailed, `{"reason":"broken"}`, TypeCataloged, `{}`), StatusFailed, 3},
		"that says less than ours": {append(started, TypeTranscoded, `{}`), StatusTranscoded, 2},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := Fold(stream(c.events...))
			require.NoError(t, err)
			require.Equal(t, []any{c.status, c.next}, []any{v.Status, v.Next})
			if v.Next > 0 {
				require.Equal(t, "t", v.Metadata.TraceID, "KurrentDB's name of it counts too")
			}
		})
	}
	_, err := Fold(stream(append(started, TypeTranscoded, `[]`)...))
	require.ErrorIs(t, err, ErrInvalid)
	_, err = Fold(stream(started...)[:0:0])
	require.NoError(t, err)
	gap := stream(append(started, TypeFailed, `{}`)...)[1:]
	_, err = Fold(gap)
	require.ErrorIs(t, err, ErrInvalid, "the first events of the stream are gone")
}

func TestReached(t *testing.T) {
	require.True(t, Video{Status: StatusTranscoded}.Reached(StatusStarted))
	require.False(t, Video{Status: StatusTranscoded}.Reached(StatusTranscribed))
	require.True(t, Video{Status: StatusFailed}.Reached(StatusTranscribed), "it will never be done")
}

func TestEvent_ContinuesTrace(t *testing.T) {
	command := Message{ID: uuid.New(), Stream: CommandStream(id), Metadata: []byte(`{"traceId":"t","originStreamName":"shop-1"}`)}
	first := FirstEvent(command, Command{VideoID: id})
	require.Equal(t, NewMetadata("t", "shop-1", command.ID), first.Metadata)
	require.Equal(t, first.ID, FirstEvent(command, Command{VideoID: id}).ID, "a repeated append is recognized")
	bare := FirstEvent(Message{ID: command.ID, Stream: command.Stream}, Command{VideoID: id})
	require.Equal(t, NewMetadata(command.ID.String(), command.Stream, command.ID), bare.Metadata)
}

func TestCut(t *testing.T) {
	for limit, want := range map[int]string{0: "", 1: "a", 2: "a", 3: "aé", 4: "aéb", 9: "aéb"} {
		require.Equal(t, want, Cut("aéb", limit))
	}
}

func TestIsName(t *testing.T) {
	for _, name := range []string{"a", "a.mp4", id + ".upload", "0-_."} {
		require.True(t, IsName(name), name)
	}
	for _, name := range []string{"", ".", "..", "-v", "_a", "a/b", `a\b`, "a b", "é", "a\x00", strings.Repeat("a", 101)} {
		require.False(t, IsName(name), name)
	}
}
