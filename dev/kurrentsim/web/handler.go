// Package web is the stream browser of the embedded event store, in the manner of
// KurrentDB's Admin UI: the streams changed last, a stream's events, one event, the
// persistent subscriptions and their parked messages.
//
// It only reads, through packages store and groups. Pages are rendered on the server and
// need no JavaScript. Every value in them comes from clients, so html/template escapes
// it. The caller that serves the handler decides who has access.
package web

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"strconv"

	"orderflow/dev/kurrentsim/groups"
	"orderflow/dev/kurrentsim/store"
)

// Prefix is the path of the browser's pages.
const Prefix = "/web/"

//go:embed templates style.css icon.svg
var files embed.FS

// pageSize is how many rows a page has.
const pageSize = 25

// Config is the configuration of a browser.
type Config struct {
	Store  *store.Store
	Groups *groups.Manager
	Logger *slog.Logger
}

type browser struct {
	Config
	pages map[string]*template.Template
}

// New returns the handler of everything under Prefix.
func New(c Config) (http.Handler, error) {
	b := &browser{Config: c, pages: map[string]*template.Template{}}
	for _, name := range []string{"streams", "stream", "event", "subscriptions", "subscription", "problem"} {
		page, err := template.New("layout.html").Funcs(functions()).
			ParseFS(files, "templates/layout.html", "templates/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("parse page %s: %w", name, err)
		}
		b.pages[name] = page
	}
	mux := http.NewServeMux()
	mux.Handle("GET /web/{$}", b.page("streams", b.streams))
	mux.Handle("GET /web/stream", b.page("stream", b.stream))
	mux.Handle("GET /web/event", b.page("event", b.event))
	mux.Handle("GET /web/subscriptions", b.page("subscriptions", b.subscriptions))
	mux.Handle("GET /web/subscription", b.page("subscription", b.subscription))
	mux.Handle("GET /web/style.css", http.StripPrefix(Prefix, http.FileServerFS(files)))
	mux.Handle("GET /web/icon.svg", http.StripPrefix(Prefix, http.FileServerFS(files)))
	// The path that users of the real Admin UI try first.
	mux.Handle("GET /web/index.html", http.RedirectHandler(Prefix, http.StatusFound))
	mux.Handle("GET /{$}", http.RedirectHandler(Prefix, http.StatusFound))
	return guarded(mux), nil
}

// guarded keeps pages from running scripts, being framed or sending anything, whatever an
// event contains.
func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// view is the input of the layout. Body is the page's own part.
type view struct {
	Title string
	Tab   string // the part of the navigation that the page belongs to
	Body  any
}

// problem is an error page: a title and the reason.
type problem struct {
	status int
	text   string
}

func (p *problem) Error() string { return p.text }

func notFound(format string, args ...any) error {
	return &problem{http.StatusNotFound, fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) error {
	return &problem{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

func (b *browser) page(name string, load func(*http.Request) (view, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown, err := load(r)
		var wrong *problem
		switch {
		case err == nil:
			b.render(w, http.StatusOK, name, shown)
		case errors.As(err, &wrong):
			b.render(w, wrong.status, "problem", view{Title: http.StatusText(wrong.status), Body: wrong.text})
		default:
			b.Logger.Error("show page", "page", name, "error", err)
			b.render(w, http.StatusInternalServerError, "problem", view{Title: "Something is broken", Body: err.Error()})
		}
	})
}

// render sends a page only if all of it could be rendered.
func (b *browser) render(w http.ResponseWriter, status int, name string, v view) {
	var page bytes.Buffer
	if err := b.pages[name].Execute(&page, v); err != nil {
		b.Logger.Error("render page", "page", name, "error", err)
		http.Error(w, "the page could not be rendered", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = page.WriteTo(w) // the client may have disconnected
}

// number parses a revision from the query. It returns otherwise if there is none.
func number(r *http.Request, name string, otherwise int64) (int64, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, badRequest("%s must be a whole number that is not negative", name)
	}
	return n, nil
}

// streamName parses the name of a stream from the query.
func streamName(r *http.Request, name string) (string, error) {
	stream := r.URL.Query().Get(name)
	if err := store.ValidateStream(stream); err != nil {
		return "", badRequest("%s must name a stream", name)
	}
	return stream, nil
}
