// Package check judges what became of the videos that were uploaded to a catalog: the facts
// that its stores hold must tell one story. It is pure, and shares no code with the catalog
// that decides or writes anything. Package e2e collects the facts.
//
// It cannot judge what a store never held: that an upload which was refused was rightly so,
// for example.
package check

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Upload is one upload that a client made.
type Upload struct {
	ID         string
	Accepted   bool   // a response said so; otherwise it may or may not have arrived
	WantStatus string // cataloged or failed
	WantReason string // of a failure
	Canceled   bool   // a client canceled the workflow: it may have failed for that reason instead
	Spoken     string // what the voice says
	Views      int    // viewings that were accepted
	Unsure     int    // viewings of which no response arrived
}

// Event is a message of a stream.
type Event struct {
	Type     string
	Data     []byte
	Metadata []byte
}

// Row is a row of the read model.
type Row struct {
	Status     string
	Reason     string
	Transcript string
	File       string
	Views      int
}

// Facts are what the stores hold once all is quiet.
type Facts struct {
	Uploads []Upload
	Streams map[string][]Event // by name, those of categories catalog, catalog:command and viewing
	Rows    map[string]Row     // by the video's id
	Files   map[string]string  // SHA-256 by name
	Open    []string           // ids of workflows that have not ended
	Parked  int                // commands that the bridge parked
}

// MaxWordErrors is the highest rate of wrong words in a transcript.
const MaxWordErrors = 0.34

// paths are the types of events that a video's stream may hold, in order.
var paths = []string{
	"Started Transcoded Transcribed Cataloged",
	"Started Transcoded Transcribed Failed",
	"Started Transcoded Failed",
	"Started Failed",
}

// Judge returns what contradicts the catalog's promises, in the order of the ids.
func Judge(f Facts) (violations []string) {
	report := func(format string, args ...any) { violations = append(violations, fmt.Sprintf(format, args...)) }
	known := map[string]bool{}
	for _, upload := range f.Uploads {
		known[upload.ID] = true
		f.judgeUpload(upload, func(format string, args ...any) {
			report("%s: %s", upload.ID, fmt.Sprintf(format, args...))
		})
	}
	for _, stream := range slices.Sorted(maps.Keys(f.Streams)) {
		if _, id, _ := strings.Cut(stream, "-"); !known[id] {
			report("%s: a stream of no upload", stream)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(f.Rows)) {
		if !known[id] {
			report("%s: a row of no upload", id)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Files)) {
		if id, _, _ := strings.Cut(name, "."); !known[id] {
			report("%s: a file of no upload", name)
		}
	}
	for _, id := range slices.Sorted(slices.Values(f.Open)) {
		report("%s: the workflow has not ended", id)
	}
	if f.Parked > 0 {
		report("%d commands are parked", f.Parked)
	}
	return violations
}

func (f Facts) judgeUpload(u Upload, report func(string, ...any)) {
	commands, events := f.Streams["catalog:command-"+u.ID], f.Streams["catalog-"+u.ID]
	if len(commands) == 0 {
		if u.Accepted {
			report("accepted, and its command is lost")
		}
		if len(events) > 0 {
			report("events without a command")
		}
		return
	}
	types := typesOf(events)
	if !slices.Contains(paths, types) {
		report("events %q", types)
		return
	}
	f.judgeTrace(commands[0], events, report)
	judgeStarted(commands[0], events[0], report)
	f.judgeRow(u, events, report)
	f.judgeFiles(u, events, report)
}

func typesOf(events []Event) string {
	types := make([]string, len(events))
	for i, e := range events {
		types[i] = e.Type
	}
	return strings.Join(types, " ")
}

// judgeTrace demands that every event continues the trace of the command.
func (f Facts) judgeTrace(command Event, events []Event, report func(string, ...any)) {
	type metadata struct{ TraceID, OriginStreamName string }
	var want metadata
	decode(command.Metadata, &want)
	if want.TraceID == "" || want.OriginStreamName == "" {
		report("the command has no trace")
	}
	for _, e := range events {
		var got metadata
		if decode(e.Metadata, &got); got != want {
			report("%s has the trace %v, not %v", e.Type, got, want)
		}
	}
}

// judgeStarted demands that the first event says what the command says.
func judgeStarted(command, started Event, report func(string, ...any)) {
	var want, got any
	decode(command.Data, &want)
	if decode(started.Data, &got); !reflect.DeepEqual(want, got) {
		report("Started says %v, and the command %v", got, want)
	}
}

// judgeRow demands that the read model says what the events add up to, and that this is what
// the upload deserves.
func (f Facts) judgeRow(u Upload, events []Event, report func(string, ...any)) {
	want := Row{Status: strings.ToLower(events[len(events)-1].Type), Views: len(f.Streams["viewing-"+u.ID])}
	for _, e := range events {
		var data struct {
			Transcript, Reason string
			File               struct{ Name string }
		}
		decode(e.Data, &data)
		switch e.Type {
		case "Transcoded":
			want.File = data.File.Name
		case "Transcribed":
			want.Transcript = data.Transcript
		case "Failed":
			want.Reason = data.Reason
		}
	}
	row, found := f.Rows[u.ID]
	if !found || row != want {
		report("the row is %+v, and the events add up to %+v", row, want)
	}
	canceled := u.Canceled && want.Status == "failed" && want.Reason == "canceled"
	if !canceled && (want.Status != u.WantStatus || want.Reason != u.WantReason) {
		report("it is %s %s, and should be %s %s", want.Status, want.Reason, u.WantStatus, u.WantReason)
	}
	if want.Views < u.Views || want.Views > u.Views+u.Unsure {
		report("%d viewings, and %d were accepted", want.Views, u.Views)
	}
	if rate := WordErrors(u.Spoken, want.Transcript); want.Status == "cataloged" && rate > MaxWordErrors {
		report("%.0f %% of the words in the transcript %q are wrong", 100*rate, want.Transcript)
	}
}

// judgeFiles demands the file that Transcoded names, and no other but the upload.
func (f Facts) judgeFiles(u Upload, events []Event, report func(string, ...any)) {
	expected := map[string]bool{}
	for _, e := range events {
		var data struct {
			File, Upload struct{ Name, SHA256 string }
		}
		decode(e.Data, &data)
		for _, file := range []struct{ Name, SHA256 string }{data.File, data.Upload} {
			if file.Name == "" {
				continue
			}
			expected[file.Name] = true
			if f.Files[file.Name] != file.SHA256 {
				report("%s has the digest %q, and %s says %q", file.Name, f.Files[file.Name], e.Type, file.SHA256)
			}
		}
	}
	for name := range f.Files {
		if strings.HasPrefix(name, u.ID) && !expected[name] && !u.Canceled { // what was kept before stays
			report("%s is left over", name)
		}
	}
}

// decode decodes what it can: what is missing then differs from what is wanted.
func decode(data []byte, into any) { _ = json.Unmarshal(data, into) }

// WordErrors returns the word error rate of a transcript: the fewest words to insert, delete
// and replace, relative to the words that were spoken.
func WordErrors(spoken, transcript string) float64 {
	want, got := strings.Fields(strings.ToLower(spoken)), strings.Fields(strings.ToLower(transcript))
	if len(want) == 0 {
		return float64(len(got))
	}
	row := make([]int, len(got)+1)
	for j := range row {
		row[j] = j
	}
	for i, word := range want {
		diagonal := row[0]
		row[0] = i + 1
		for j, other := range got {
			cost := 1
			if word == other {
				cost = 0
			}
			next := min(diagonal+cost, row[j]+1, row[j+1]+1)
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return float64(row[len(got)]) / float64(len(want))
}
