package web

import (
	"context"
	"embed"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"time"

	"example.com/catalog/messages"
	"example.com/catalog/video"
	"example.com/catalog/view"
)

// Files keeps the files. files.Disk implements it.
type Files interface {
	Save(ctx context.Context, name string, from io.Reader, limit int64) (video.File, error)
	Describe(ctx context.Context, name string) (video.File, error)
	Open(name string) (io.ReadSeekCloser, error)
}

// Messages are the streams. messages.Store implements it.
type Messages interface {
	Append(ctx context.Context, stream string, expected messages.Expected, m video.NewMessage) error
	Read(ctx context.Context, stream string) ([]video.Message, error)
}

// View is the read model. view.View implements it.
type View interface {
	Get(ctx context.Context, id string) (view.Video, error)
	List(ctx context.Context, after view.Cursor, limit int) ([]view.Video, view.Cursor, error)
}

// Progress is how far steps are. process.Monitor implements it.
type Progress interface {
	Transcoded(ctx context.Context, id string) (percent int, known bool)
}

// Options are what the pages need.
type Options struct {
	Files     Files
	Messages  Messages
	View      View
	Progress  Progress
	MaxUpload int64 // bytes of a file
	Logger    *slog.Logger
}

// Limits of one request, and of the number of uploads.
const (
	maxUploads   = 16               // at a time; if another comes, the slowest ends, or the other gets 503 and Retry-After
	storeTimeout = 5 * time.Second  // of a call to a store
	writeTimeout = 30 * time.Second // of one write; a client may take a film as slowly as it plays
	pageSize     = 20               // videos in a list
)

//go:embed page
var pageFiles embed.FS

// site serves the pages.
type site struct {
	Options
	pace      pace
	templates map[string]*template.Template
	uploads   *slots
}

// New returns the handler of all pages. The server should limit the time to read a
// request and to write a response: the handler extends both while a file is transferred.
func New(o Options) http.Handler { return newSite(o).handler() }

func newSite(o Options) *site {
	return &site{
		Options: o, templates: parsePages(),
		pace:    pace{idle: 30 * time.Second, bytesPerSecond: 64 << 10},
		uploads: &slots{limit: maxUploads, grace: 10 * time.Second, fast: 1 << 20, held: map[*body]struct{}{}},
	}
}

func (s *site) handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, handle := range map[string]handle{
		"GET /{$}":                s.getList,
		"POST /videos":            s.postVideo,
		"GET /videos/{id}":        withVideoID(s.getVideo),
		"GET /videos/{id}/media":  withVideoID(s.getMedia),
		"POST /videos/{id}/views": withVideoID(s.postView),
		"GET /style.css":          asset("page/style.css", "text/css; charset=utf-8"),
		"GET /catalog.js":         asset("page/catalog.js", "text/javascript; charset=utf-8"),
		"GET /healthz":            getHealth,
	} {
		mux.Handle(pattern, s.serve(handle))
	}
	mux.Handle("GET /videos", http.RedirectHandler("/", http.StatusSeeOther)) // the address of a refused upload
	sameOrigin := http.NewCrossOriginProtection()
	sameOrigin.SetDenyHandler(s.serve(func(http.ResponseWriter, *http.Request) error {
		return problemOf(http.StatusForbidden, "Requests from the pages of other sites are refused.")
	}))
	return withHeaders(sameOrigin.Handler(mux))
}

// handle is a handler that may return an error instead of sending a response.
type handle func(w http.ResponseWriter, r *http.Request) error

func (s *site) serve(h handle) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			s.fail(w, r, err)
		}
	})
}

// policy is the content security policy. A page runs only the catalog's script, and can
// neither be framed by another site nor send anything to one, whatever a title or a
// transcript contains.
const policy = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src data:; " +
	"media-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// withHeaders sets the headers that every response has.
func withHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "same-origin") // no-referrer would remove the Origin of forms
		h.Set("Cache-Control", "no-store")      // a cached form would have a used id
		next.ServeHTTP(w, r)
	})
}

// asset serves a file of the pages.
func asset(name, kind string) handle {
	return func(w http.ResponseWriter, _ *http.Request) error {
		content, err := pageFiles.ReadFile(name)
		if err != nil {
			return err
		}
		return send(w, http.StatusOK, kind, content)
	}
}

// getHealth reports that the process serves requests. It does not check the stores.
func getHealth(w http.ResponseWriter, _ *http.Request) error {
	return send(w, http.StatusOK, "text/plain; charset=utf-8", []byte("ok\n"))
}

func send(w http.ResponseWriter, status int, kind string, content []byte) error {
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_, _ = w.Write(content) // the client may have disconnected
	return nil
}
