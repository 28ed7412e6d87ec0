package web

import (
	"bytes"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"example.com/catalog/media"
	"example.com/catalog/video"
)

// page is the data of a page: fields for the layout, and Body for the page's own
// template.
type page struct {
	Title   string
	Status  int
	Name    string // of the template
	Refresh string // seconds until the page is loaded again; empty for never
	Body    any
}

// render sends a page once it is complete. If it returns an error, it has sent nothing.
func (s *site) render(w http.ResponseWriter, p page) error {
	var whole bytes.Buffer
	if err := s.templates[p.Name].ExecuteTemplate(&whole, "layout.html", p); err != nil {
		return fmt.Errorf("render page %s: %w", p.Name, err)
	}
	return send(w, p.Status, "text/html; charset=utf-8", whole.Bytes())
}

// parsePages returns the templates by the names of their pages. They are part of the
// program, so it panics if one is invalid.
func parsePages() map[string]*template.Template {
	layout := template.Must(template.New("layout.html").Funcs(template.FuncMap{
		"time": showTime, "stamp": stamp, "length": showLength, "bytes": showBytes, "plural": plural,
		"color": statusColor, "state": state, "reason": showReason, "steps": steps, "path": videoPath,
		"formats": func() string { return media.Formats },
	}).ParseFS(pageFiles, "page/layout.html"))
	names, err := fs.Glob(pageFiles, "page/*.html")
	if err != nil {
		panic(err) // the pattern is invalid
	}
	pages := map[string]*template.Template{}
	for _, name := range names {
		page := template.Must(template.Must(layout.Clone()).ParseFS(pageFiles, name))
		pages[strings.TrimSuffix(path.Base(name), ".html")] = page
	}
	return pages
}

func videoPath(id string) string { return "/videos/" + id }

func showTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }
func stamp(t time.Time) string    { return t.UTC().Format(time.RFC3339) }

// showLength formats a length as players show it: 1:02:03 or 2:03.
func showLength(ms int64) string {
	seconds := (ms + 500) / 1000
	if seconds < 3600 {
		return fmt.Sprintf("%d:%02d", seconds/60, seconds%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
}

// showBytes formats a size in the largest unit that is not larger than the size.
func showBytes(n int64) string {
	for _, unit := range []struct {
		name string
		size int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= unit.size {
			return strconv.FormatFloat(float64(n)/float64(unit.size), 'g', 4, 64) + " " + unit.name
		}
	}
	return plural(n, "byte")
}

// plural returns a number with its noun.
func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.FormatInt(n, 10) + " " + noun + "s"
}

// statusColor returns the color of a status. No page shows a status by color alone.
func statusColor(s video.Status) string {
	switch s {
	case video.StatusCataloged:
		return "good"
	case video.StatusFailed:
		return "bad"
	default:
		return "busy"
	}
}

func state(s video.Status) string {
	switch s {
	case video.StatusCataloged:
		return "ready"
	case video.StatusFailed:
		return "failed"
	default:
		return "in progress"
	}
}

// step is a step of cataloging a video, as the waiting page lists it.
type step struct {
	What  string
	State string // done, current or next
}

// steps returns the steps of a video that has reached a status.
func steps(at video.Status) []step {
	list := []step{{What: "Receive the file", State: "done"}}
	state := "current"
	for _, s := range []struct {
		what string
		ends video.Status
	}{
		{"Begin the work", video.StatusStarted},
		{"Convert the video", video.StatusTranscoded},
		{"Write down what is said", video.StatusTranscribed},
		{"Add it to the catalog", video.StatusCataloged},
	} {
		if (video.Video{Status: at}).Reached(s.ends) {
			list = append(list, step{s.what, "done"})
			continue
		}
		list = append(list, step{s.what, state})
		state = "next"
	}
	return list
}

// showReason returns the reason of a failure in plain words.
func showReason(r video.Reason) string {
	switch r {
	case video.ReasonNotVideo:
		return "The file holds no moving picture, or its format is not accepted."
	case video.ReasonBroken:
		return "The video is damaged: it ends early or cannot be decoded."
	case video.ReasonTooLong:
		return "The video is longer than the catalog accepts."
	case video.ReasonMissing:
		return "The uploaded file is gone."
	case video.ReasonCrashed:
		return "The work was interrupted each time it was tried."
	case video.ReasonElapsed:
		return "The work was not finished in time."
	case video.ReasonCanceled:
		return "The work was canceled."
	default:
		return "The work failed."
	}
}
