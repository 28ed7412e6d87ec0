package sampledata_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/dev/sampledata"
)

func TestReadFile_KeepsContent(t *testing.T) {
	t.Parallel()
	streams, err := sampledata.ReadFile(strings.NewReader(`[
		{"stream": "order-1", "events": [
			{"id": "8ac54566-28e9-4090-9719-7f41848bd2e2", "type": "order-placed", "content-type": "application/json",
			 "data": {"b": 1.50,  "b": 1e2, "a": "\u00e9\ud800"}, "metadata": {"$correlationId": "x"}},
			{"type": "other", "dataBase64": "/wA=", "content-type": "application/json"}
		]},
		{"stream": "cart-1", "note": "passed over", "events": []},
		{"stream": "order-1", "events": [
			{"type": "third", "data": null, "metadata": null},
			{"type": "fourth", "dataBase64": ""}
		]}
	]`))
	require.NoError(t, err)
	require.Equal(t, []sampledata.Stream{
		{Name: "order-1", Events: []sampledata.Event{
			{
				ID: "8ac54566-28e9-4090-9719-7f41848bd2e2", Type: "order-placed", ContentType: "application/json",
				Data: []byte(`{"b": 1.50,  "b": 1e2, "a": "\u00e9\ud800"}`), Metadata: []byte(`{"$correlationId": "x"}`),
			},
			{ID: "f8212b47-15bd-5d8c-884a-26d71f3bb62c", Type: "other", ContentType: "application/json", Data: []byte{0xff, 0}},
		}},
		{Name: "cart-1", Events: []sampledata.Event{}},
		{Name: "order-1", Events: []sampledata.Event{
			{ID: "fd9939fd-3453-5966-8fea-faff5caa4d76", Type: "third", ContentType: "application/json", Data: []byte("null")},
			{ID: "4a06d76f-ae36-5e30-8d1b-1aa959caa69a", Type: "fourth", ContentType: "application/octet-stream", Data: []byte{}},
		}},
	}, streams)
}

func TestReadFile_DerivedIDs(t *testing.T) {
	t.Parallel()
	read := func(file string) (ids []string) {
		streams, err := sampledata.ReadFile(strings.NewReader(file))
		require.NoError(t, err)
		for _, stream := range streams {
			for _, event := range stream.Events {
				ids = append(ids, event.ID)
			}
		}
		return ids
	}
	const event = `{"type":"t","data":1}`
	whole := read(`[{"stream":"s","events":[` + event + `,` + event + `,` + event + `]}]`)
	inParts := read(`[{"stream":"s","events":[` + event + `]},{"stream":"s","events":[` + event + `,` + event + `]}]`)
	other := read(`[{"stream":"o","events":[` + event + `]}]`)
	require.Equal(t, whole, inParts)
	require.Len(t, append(unique(whole), other...), 4)
	require.NotContains(t, whole, other[0])
}

func unique(ids []string) []string {
	seen := map[string]bool{}
	var unique []string
	for _, id := range ids {
		if !seen[id] {
			unique = append(unique, id)
		}
		seen[id] = true
	}
	return unique
}

func TestReadFile_ErrorPath(t *testing.T) {
	t.Parallel()
	event := func(members string) string {
		return `[{"stream":"s","events":[{"type":"t","data":1},{` + members + `}]}]`
	}
	tests := map[string]struct{ file, want string }{
		"empty file":                {``, "is not JSON from byte 0 on"},
		"cut file":                  {`[{"stream":"s"`, "is not JSON from byte 14 on"},
		"something after it":        {`[] x`, "is not JSON from byte 3 on"},
		"null":                      {`null`, "must be an array of streams"},
		"an object":                 {`{}`, "must be an array"},
		"a stream is not an object": {`[{"stream":"s","events":[]},7]`, "[1]: must be an object"},
		"no stream":                 {`[{"events":[]}]`, "[0].stream: is missing"},
		"blank stream":              {`[{"stream":" ","events":[]}]`, "[0].stream: is missing"},
		"stream is a number":        {`[{"stream":1,"events":[]}]`, "[0].stream: must be a string"},
		"stream of the system":      {`[{"stream":"$ce-order","events":[]}]`, "[0].stream: must not be a system stream"},
		"long stream":               {`[{"stream":"` + strings.Repeat("s", 1025) + `","events":[]}]`, "[0].stream: must be at most 1024 bytes"},
		"no events":                 {`[{"stream":"s"}]`, "[0].events: is missing"},
		"events are an object":      {`[{"stream":"s","events":{}}]`, "[0].events: must be an array"},
		"an event is not an object": {`[{"stream":"s","events":["x"]}]`, "[0].events[0]: must be an object"},
		"no type":                   {event(`"data":1`), "[0].events[1].type: is missing"},
		"type is a boolean":         {event(`"type":true,"data":1`), "[0].events[1].type: must be a string"},
		"id is not a UUID":          {event(`"id":"7","type":"t","data":1`), "[0].events[1].id: must be a UUID"},
		"id is a UUID in braces":    {event(`"id":"{8ac54566-28e9-4090-9719-7f41848bd2e2}","type":"t","data":1`), "[0].events[1].id: must be a UUID"},
		"no data":                   {event(`"type":"t"`), "[0].events[1].data: is missing"},
		"both kinds of data":        {event(`"type":"t","data":1,"dataBase64":""`), "[0].events[1].dataBase64: must not be combined with data"},
		"data is not in base64":     {event(`"type":"t","dataBase64":"!"`), "[0].events[1].dataBase64: must be a string in base64"},
		"data in base64 is a list":  {event(`"type":"t","dataBase64":[1]`), "[0].events[1].dataBase64: must be a string in base64"},
		"odd content type":          {event(`"type":"t","data":1,"content-type":"text/plain"`), "[0].events[1].content-type: must be application/json or application/octet-stream"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := sampledata.ReadFile(strings.NewReader(test.file))
			require.EqualError(t, err, test.want)
			var fault *sampledata.FileError
			require.ErrorAs(t, err, &fault)
		})
	}
}

func TestReadFile_Limits(t *testing.T) {
	t.Parallel()
	_, err := sampledata.ReadFile(bytes.NewReader(bytes.Repeat([]byte(" "), 64<<20+1)))
	require.EqualError(t, err, "must be at most 67108864 bytes")

	events := strings.Repeat(`{"type":"t","data":1},`, 250_000) + `{"type":"t","data":1}`
	half := `{"stream":"s","events":[` + events + `]}`
	_, err = sampledata.ReadFile(strings.NewReader(`[` + half + `,` + half + `]`))
	require.EqualError(t, err, "[1].events: must not bring the file above 500000 events")
}

type brokenReader struct{ err error }

func (r brokenReader) Read([]byte) (int, error) { return 0, r.err }

func TestReadFile_ReadError(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	_, err := sampledata.ReadFile(brokenReader{broken})
	require.ErrorIs(t, err, broken)
}

func TestReadFile_GeneratedStreams(t *testing.T) {
	t.Parallel()
	var file []map[string]any
	var want []sampledata.Stream
	generator := sampledata.New(1, start())
	for range 12 {
		for _, stream := range generator.Next() {
			want = append(want, stream)
			var events []map[string]any
			for _, e := range stream.Events {
				events = append(events, map[string]any{
					"id": e.ID, "type": e.Type, "content-type": e.ContentType, "data": json.RawMessage(e.Data),
				})
			}
			file = append(file, map[string]any{"stream": stream.Name, "events": events})
		}
	}
	content, err := json.Marshal(file)
	require.NoError(t, err)
	got, err := sampledata.ReadFile(bytes.NewReader(content))
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func FuzzReadFile(f *testing.F) {
	f.Add([]byte(`[{"stream":"s","events":[{"type":"t","data":{"a":1},"metadata":{}},{"type":"t","dataBase64":"/w=="}]}]`))
	f.Add([]byte(`[{"stream":"s","events":[{"id":"8ac54566-28e9-4090-9719-7f41848bd2e2","type":"t","data":null}]}]`))
	f.Fuzz(func(t *testing.T, content []byte) {
		streams, err := sampledata.ReadFile(bytes.NewReader(content))
		if err != nil {
			var fault *sampledata.FileError
			require.ErrorAs(t, err, &fault)
			return
		}
		for _, stream := range streams {
			require.NotEmpty(t, stream.Name)
			for _, event := range stream.Events {
				require.Len(t, event.ID, 36)
				require.NotEmpty(t, event.Type)
				require.NotNil(t, event.Data)
			}
		}
	})
}
