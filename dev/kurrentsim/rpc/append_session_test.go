package rpc_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/shared"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/streams"
	streamsv2 "github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v2/streams/streams"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestAppendSession(t *testing.T) {
	t.Parallel()
	w := newRawClientOf(t, "25.1.0", 0)
	appendAt := func(stream string, expected int64) error {
		call, err := w.sessions.AppendSession(w.Context())
		require.NoError(t, err)
		_ = call.Send(&streamsv2.AppendRequest{ // the response shows an error
			Stream: stream, ExpectedRevision: &expected, Records: []*streamsv2.AppendRecord{{
				RecordId: new(uuid.NewString()), Data: []byte("{}"),
				Schema: &streamsv2.SchemaInfo{Name: "placed", Format: streamsv2.SchemaFormat_SCHEMA_FORMAT_JSON},
			}},
		})
		_, err = call.CloseAndRecv()
		return err
	}
	require.NoError(t, appendAt("present", -2))
	for _, stream := range []string{"absent", "present"} {
		for _, expected := range []int64{-3, -5, -1 << 63} {
			t.Run("refuses an invalid expectation", func(t *testing.T) {
				t.Parallel()
				require.Equal(t, codes.InvalidArgument, status.Code(appendAt(stream, expected)), "%s at %d", stream, expected)
			})
		}
	}
}

func TestStreamName(t *testing.T) {
	t.Parallel()
	w := newRawClient(t, 0)
	for given, want := range map[string]string{
		"two bytes \xff\xff":      "two bytes \uFFFD\uFFFD",
		"a cut sequence \xe2\x82": "a cut sequence \uFFFD",
		"\ufeffmark":              "\ufeffmark",
	} {
		t.Run("replaces invalid UTF-8 in "+want, func(t *testing.T) {
			t.Parallel()
			options := appendOptions("")
			options.GetOptions().StreamIdentifier = &shared.StreamIdentifier{StreamName: []byte(given)}
			_, _, err := w.append(options, proposed(1, nil))
			require.NoError(t, err)
			found, _, err := w.read(readOptions(want))
			require.NoError(t, err)
			require.IsType(t, &streams.ReadResp_Event{}, found[0].GetContent())
		})
	}
}
