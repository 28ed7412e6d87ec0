package check

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func event(eventType, data string) Event {
	return Event{Type: eventType, Data: []byte(data), Metadata: []byte(`{"traceId":"t","originStreamName":"catalog:command-a"}`)}
}

// sound returns the facts of a video that was cataloged, and of one that failed.
func sound() Facts {
	upload := func(id string) string { return fmt.Sprintf(`{"upload":{"name":"%s.upload","sha256":"1"}}`, id) }
	failed := Event{Type: "Catalog", Data: []byte(upload("b")), Metadata: []byte(`{"traceId":"t","originStreamName":"catalog:command-a"}`)}
	return Facts{
		Uploads: []Upload{
			{ID: "a", Accepted: true, WantStatus: "cataloged", Spoken: "one two three", Views: 1},
			{ID: "b", Accepted: true, WantStatus: "failed", WantReason: "broken"},
		},
		Streams: map[string][]Event{
			"catalog:command-a": {event("Catalog", upload("a")), event("Catalog", "{}")},
			"catalog-a": {
				event("Started", upload("a")), event("Transcoded", `{"file":{"name":"a.mp4","sha256":"2"}}`),
				event("Transcribed", `{"transcript":"one two three"}`), event("Cataloged", "{}"),
			},
			"viewing-a":         {event("Viewed", "{}")},
			"catalog:command-b": {failed},
			"catalog-b":         {event("Started", upload("b")), event("Failed", `{"reason":"broken"}`)},
		},
		Rows: map[string]Row{
			"a": {Status: "cataloged", Transcript: "one two three", File: "a.mp4", Views: 1},
			"b": {Status: "failed", Reason: "broken"},
		},
		Files: map[string]string{"a.upload": "1", "a.mp4": "2", "b.upload": "1"},
	}
}

func TestJudge(t *testing.T) {
	require.Empty(t, Judge(sound()))
	for want, spoil := range map[string]func(*Facts){
		"accepted, and its command is lost": func(f *Facts) { delete(f.Streams, "catalog:command-b"); delete(f.Streams, "catalog-b") },
		"events without a command":          func(f *Facts) { delete(f.Streams, "catalog:command-b") },
		`events "Started"`:                  func(f *Facts) { f.Streams["catalog-b"] = f.Streams["catalog-b"][:1] },
		`events "Started Started Failed"`: func(f *Facts) {
			f.Streams["catalog-b"] = append([]Event{event("Started", "{}")}, f.Streams["catalog-b"]...)
		},
		"Failed has the trace":     func(f *Facts) { f.Streams["catalog-b"][1].Metadata = nil },
		"the command has no trace": func(f *Facts) { f.Streams["catalog:command-b"][0].Metadata = nil },
		"Started says":             func(f *Facts) { f.Streams["catalog:command-b"][0].Data = []byte(`{"title":"another"}`) },
		"the row is":               func(f *Facts) { delete(f.Rows, "b") },
		"the events add up to": func(f *Facts) {
			f.Rows["a"] = Row{Status: "transcribed", Transcript: "one two three", File: "a.mp4", Views: 1}
		},
		"it is failed broken":             func(f *Facts) { f.Uploads[1].WantReason = "too-long" },
		"1 viewings, and 2 were":          func(f *Facts) { f.Uploads[0].Views = 2 },
		"67 % of the words":               func(f *Facts) { f.Uploads[0].Spoken = "four five three" },
		"a.mp4 has the digest":            func(f *Facts) { f.Files["a.mp4"] = "3" },
		"a.mp4.1 is left over":            func(f *Facts) { f.Files["a.mp4.1"] = "2" },
		"c.upload: a file of no upload":   func(f *Facts) { f.Files["c.upload"] = "2" },
		"c: a row of no upload":           func(f *Facts) { f.Rows["c"] = Row{} },
		"viewing-c: a stream of no":       func(f *Facts) { f.Streams["viewing-c"] = nil },
		"catalog-a: the workflow has not": func(f *Facts) { f.Open = []string{"catalog-a"} },
		"1 commands are parked":           func(f *Facts) { f.Parked = 1 },
	} {
		t.Run(want, func(t *testing.T) {
			facts := sound()
			spoil(&facts)
			violations := Judge(facts)
			require.NotEmpty(t, violations)
			require.Contains(t, fmt.Sprint(violations), want)
		})
	}
}

func TestWordErrors(t *testing.T) {
	for _, c := range []struct {
		spoken, transcript string
		want               float64
	}{
		{"", "", 0}, {"one two", "one two", 0}, {"one two", "One  two", 0}, {"one two", "", 1},
		{"one two three four", "one three four", 0.25}, {"one two", "one too two", 0.5}, {"one two", "three four", 1},
	} {
		require.InDelta(t, c.want, WordErrors(c.spoken, c.transcript), 1e-9, "%q %q", c.spoken, c.transcript)
	}
}
