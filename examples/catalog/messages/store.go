package messages

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

const (
	// maxCalls is how many calls can be in progress at once, besides subscriptions. More
	// wait for one to end, which takes some milliseconds.
	maxCalls = 8

	// defaultTimeout bounds a call if the connection string has no defaultDeadline.
	defaultTimeout = 10 * time.Second
)

// Store is a message store. It is safe for concurrent use.
//
// It does not share one official client (v1.4.2) between its calls, but lends each call
// one. A client whose search for the server has failed never works again, which takes a
// second without a server. One that searches again leaks its old connection. And while it
// searches for one caller, another whose call has failed waits without a deadline. So a
// client searches once, serves one call at a time, and is replaced after a call without a
// response.
type Store struct {
	settings kurrentdb.Configuration
	timeout  time.Duration
	clients  chan *kurrentdb.Client // maxCalls of them, less those that are lent; nil if not opened yet
	closing  context.Context
	shutDown func()
}

// Open returns a store by the connection string of the official client, such as
// kurrentdb://user:password@host:2113. It never dials: the first call does. Without
// allowPlaintext it refuses a string that disables TLS or the check of certificates. Its
// errors quote nothing of the string, which may hold a password.
func Open(connectionString string, allowPlaintext bool, logger *slog.Logger) (*Store, error) {
	settings, err := parse(connectionString, allowPlaintext)
	if err != nil {
		return nil, err
	}
	settings.Logger = logTo(logger)
	s := &Store{settings: *settings, timeout: defaultTimeout, clients: make(chan *kurrentdb.Client, maxCalls)}
	if settings.DefaultDeadline != nil && *settings.DefaultDeadline > 0 {
		s.timeout = *settings.DefaultDeadline
	}
	for range maxCalls {
		s.clients <- nil
	}
	closing, end := context.WithCancelCause(context.Background())
	s.closing = closing
	s.shutDown = sync.OnceFunc(func() {
		end(errClosed)
		for range maxCalls { // calls in progress return theirs at once
			closeClient(<-s.clients)
		}
	})
	return s, nil
}

// Close aborts calls and subscriptions in progress. Later calls return ErrUnavailable.
func (s *Store) Close() { s.shutDown() }

func parse(connectionString string, allowPlaintext bool) (*kurrentdb.Configuration, error) {
	settings, err := kurrentdb.ParseConnectionString(connectionString)
	if err == nil {
		err = settings.Validate()
	}
	switch {
	case err != nil:
		return nil, errors.New("connection string is invalid: it should look like kurrentdb://user:password@host:2113")
	case !allowPlaintext && (settings.DisableTLS || settings.SkipCertificateVerification):
		return nil, errors.New("connection string disables TLS or the check of certificates, which is not allowed")
	}
	settings.NodePreference = kurrentdb.NodePreferenceLeader // the others do not have the latest messages yet
	settings.MaxDiscoverAttempts, settings.DiscoveryInterval = 1, 0
	if len(settings.GossipSeeds) > 0 {
		settings.DnsDiscover = false // with both, the client connects to an empty address
	}
	return settings, nil
}

// logTo logs what the client has to say at debug level: what matters is returned as an
// error.
func logTo(logger *slog.Logger) kurrentdb.LoggingFunc {
	return func(level kurrentdb.LogLevel, format string, args ...any) {
		if logger.Enabled(context.Background(), slog.LevelDebug) {
			logger.Debug("kurrentdb client: "+fmt.Sprintf(format, args...), "clientLevel", level)
		}
	}
}

// call runs an operation with a client of its own, and classifies its error.
func (s *Store) call(ctx context.Context, operation func(context.Context, *kurrentdb.Client) error) error {
	ctx, cancel := s.withClosing(ctx)
	defer cancel(nil)
	ctx, end := context.WithTimeout(ctx, s.timeout)
	defer end()
	client, err := s.borrow(ctx)
	if err != nil {
		return classify(ctx, err)
	}
	err = classify(ctx, recoverPanic(func() error { return operation(ctx, client) }))
	s.release(client, err)
	return err
}

// borrow returns a client that no other call uses. It must be released.
func (s *Store) borrow(ctx context.Context) (*kurrentdb.Client, error) {
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case client := <-s.clients:
		if client != nil {
			return client, nil
		}
		client, err := s.newClient()
		if err != nil {
			s.clients <- nil
		}
		return client, err
	}
}

// withClosing returns a context that also ends when the store is closed.
func (s *Store) withClosing(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.closing, func() { cancel(errClosed) })
	return ctx, func(cause error) {
		stop()
		cancel(cause)
	}
}

// newClient returns a client that has not dialed yet.
func (s *Store) newClient() (*kurrentdb.Client, error) {
	settings := s.settings
	return kurrentdb.NewClient(&settings)
}

// release takes back a client after a call, and replaces it if the call had no response.
// The idle ones may be connected to the same lost node of a cluster, and would each fail
// one more call, so they are replaced too, unless it was the caller who gave the call up.
func (s *Store) release(client *kurrentdb.Client, err error) {
	if !errors.Is(err, ErrUnavailable) {
		s.clients <- client
		return
	}
	closeClient(client)
	s.clients <- nil
	if errors.Is(err, context.Canceled) {
		return
	}
	for range maxCalls {
		select {
		case idle := <-s.clients:
			closeClient(idle)
			s.clients <- nil
		default:
			return
		}
	}
}

func closeClient(client *kurrentdb.Client) {
	if client != nil {
		_ = client.Close() // always nil
	}
}

// recoverPanic turns a panic of the client into an error. It panics on messages that it
// does not expect.
func recoverPanic(operation func() error) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("client panicked: %v", reason)
		}
	}()
	return operation()
}
