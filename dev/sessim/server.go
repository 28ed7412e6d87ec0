package sessim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// DefaultListen is reachable only from this machine, because the inbox has no password.
const DefaultListen = "127.0.0.1:8005"

// DefaultKeep is how many messages are kept by default.
const DefaultKeep = 10_000

// Options configure where to listen and what to keep. The zero value is usable.
type Options struct {
	Listen   string       // host:port, port 0 for a free one; empty means DefaultListen
	DataFile string       // file that keeps the inbox as JSON lines; empty keeps it only in memory
	Keep     int          // newest messages to keep; 0 means 10,000
	Logger   *slog.Logger // nil logs nothing
	Account  *Account     // nil is DefaultAccount
	Envelope string       // of events: EnvelopeSNS, EnvelopeRaw or EnvelopeEventBridge; empty means EnvelopeSNS
}

// Server is a running stand-in.
type Server struct {
	http     *http.Server
	listener net.Listener
	inbox    *inbox
	faults   *faults
	account  accountBox
	logger   *slog.Logger
	done     chan struct{}

	queues     map[string]*queue // by name
	envelope   string
	duplicates atomic.Int64
	polling    context.Context // ends when the server stops, so that no long poll delays it
}

// Start loads the kept inbox, listens, and serves until Stop.
func Start(o Options) (*Server, error) {
	if o.Listen == "" {
		o.Listen = DefaultListen
	}
	if o.Keep <= 0 {
		o.Keep = DefaultKeep
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	kept, err := openInbox(o.DataFile, o.Keep)
	if err != nil {
		return nil, fmt.Errorf("open inbox: %w", err)
	}
	listener, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen: %w", err), kept.close())
	}
	polling, stopPolling := context.WithCancel(context.Background())
	s := &Server{
		listener: listener, inbox: kept, faults: &faults{}, logger: o.Logger, done: make(chan struct{}),
		queues: newQueues(), envelope: cmp.Or(o.Envelope, EnvelopeSNS), polling: polling,
	}
	s.SetAccount(DefaultAccount())
	if o.Account != nil {
		s.SetAccount(*o.Account)
	}
	s.http = &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      time.Minute, // long enough for a full inbox as JSON
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}
	s.http.RegisterOnShutdown(stopPolling)
	go s.serve()
	return s, nil
}

func newQueues() map[string]*queue {
	dead := newQueue(DeadQueue, nil, 0)
	return map[string]*queue{EventsQueue: newQueue(EventsQueue, dead, maxReceives), DeadQueue: dead}
}

func (s *Server) serve() {
	defer close(s.done)
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		s.logger.Error("ses stand-in stopped", "error", err)
	}
}

// Done returns a channel that is closed when the server no longer serves, whether it was
// stopped or failed.
func (s *Server) Done() <-chan struct{} { return s.done }

// URL returns the base URL of the API and the inbox, without a trailing slash.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Messages returns the accepted messages that are kept, oldest first.
func (s *Server) Messages() []Message { return s.inbox.find(filter{}) }

// AddFault makes messages fail, as POST /faults does.
func (s *Server) AddFault(f Fault) error { return s.faults.add(f) }

// Faults returns the pending faults, in order.
func (s *Server) Faults() []Fault { return s.faults.all() }

// ClearFaults removes all faults.
func (s *Server) ClearFaults() { s.faults.clear() }

// Stop finishes pending requests until ctx is done, then stops and closes the kept inbox.
func (s *Server) Stop(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	<-s.done
	return errors.Join(err, s.inbox.close())
}

// handler routes the API, the JSON for tests and the pages. It rejects requests by which
// pages of other sites could make a browser change something.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /v2/email/outbound-emails", authorized(s.sendEmail))
	mux.Handle("GET /v2/email/account", authorized(s.getAccount))
	mux.Handle("GET /v2/email/identities/{identity}", authorized(s.identity))
	mux.Handle("GET /v2/email/configuration-sets/{set}", authorized(s.configurationSet))
	mux.Handle("/v2/", authorized(unknownOperation))
	mux.Handle("POST /{$}", authorized(s.sqs))

	mux.HandleFunc("GET /messages", s.listMessages)
	mux.HandleFunc("DELETE /messages", s.deleteMessages)
	mux.HandleFunc("GET /faults", s.listFaults)
	mux.HandleFunc("POST /faults", s.addFault)
	mux.HandleFunc("DELETE /faults", s.deleteFaults)
	mux.HandleFunc("POST /events", s.reportEvent)
	mux.HandleFunc("GET /queues", s.listQueues)
	mux.HandleFunc("GET /health/live", live)

	mux.HandleFunc("GET /{$}", s.inboxPage)
	mux.HandleFunc("GET /inbox/{id}", s.messagePage)
	mux.HandleFunc("POST /inbox/empty", s.emptyInbox)
	return http.NewCrossOriginProtection().Handler(bounded(mux))
}

// maxBody is more than any text message; the real service's forty megabytes are for
// attachments.
const maxBody = 1 << 20

func bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

func live(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n"))
}
