package kurrentsim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"orderflow/dev/kurrentsim/access"
	"orderflow/dev/kurrentsim/groups"
	"orderflow/dev/kurrentsim/journal"
	"orderflow/dev/kurrentsim/rpc"
	"orderflow/dev/kurrentsim/store"
	"orderflow/dev/kurrentsim/users"
	"orderflow/dev/kurrentsim/web"
)

// Options configure a server. The zero value listens on a free port of the loopback
// interface and keeps everything in memory.
type Options struct {
	Listen  string // host:port; empty means 127.0.0.1:0
	DataDir string // empty means in memory
	TLS     *TLSOptions
	// SecureOnly leaves out the plain port. It needs TLS.
	SecureOnly bool
	Logger     *slog.Logger
	Version    string // the release it behaves like, major.minor.patch; empty means rpc.DefaultVersion
	// MaxAppendSize is the server option of that name: the most bytes of one append. 0 is
	// the default of the release.
	MaxAppendSize int
	// For tests of lag and loss: how long the streams of the system projections lag
	// behind, and the events whose link in $ce- no reader sees.
	ProjectionDelay time.Duration
	HiddenLinks     []Target
	// WithoutProjections simulates the server option RunProjections=None: nothing is
	// linked, and the projections service is missing. StoppedProjections simulates a server
	// without StartStandardProjections: the system projections of new data wait to be
	// enabled. With it, each start enables those that were stopped.
	WithoutProjections, StoppedProjections bool
}

// TLSOptions open a second port with TLS, users and their rights. The first port stays
// plain and open to every caller.
type TLSOptions struct {
	Listen            string // host:port
	CertFile, KeyFile string // PEM
	Users             []User
}

// User is a user of the TLS port, configured at the server's start. The users admin and
// ops are in the groups $admins and $ops by name.
type User struct {
	Name, Password string
	Groups         []string
}

// Target identifies an event by its stream and revision.
type Target = store.Target

func (o Options) users() []users.User {
	if o.TLS == nil {
		return nil
	}
	configured := make([]users.User, len(o.TLS.Users))
	for i, u := range o.TLS.Users {
		configured[i] = users.User{User: access.User{Name: u.Name, Groups: u.Groups}, Password: u.Password}
	}
	return configured
}

// Server is a running node.
type Server struct {
	store     *store.Store
	groups    *groups.Manager
	endpoints []*endpoint // the plain one first
	stop      context.CancelFunc
	once      sync.Once
	stopErr   error
}

// Start opens the data and serves until Stop. Clients may connect once it returns.
func Start(options Options) (*Server, error) {
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	release, err := rpc.ParseRelease(options.Version)
	if err != nil {
		return nil, err
	}
	release = release.WithMaxAppend(options.MaxAppendSize)
	// The ports come first: a second server on them must not touch the first one's data.
	endpoints, err := listen(options)
	if err != nil {
		return nil, err
	}
	s := &Server{endpoints: endpoints}
	if err := s.open(options); err != nil {
		return nil, errors.Join(err, closeAll(endpoints))
	}
	browser, err := web.New(web.Config{Store: s.store, Groups: s.groups, Logger: options.Logger})
	var directory *users.Directory
	if err == nil {
		directory, err = users.Open(s.store, options.users())
	}
	if err != nil {
		s.groups.Stop()
		return nil, errors.Join(err, s.store.Close(), closeAll(endpoints))
	}
	stopping, stop := context.WithCancel(context.Background())
	s.stop = stop
	service := &rpc.Service{
		Store: s.store, Groups: s.groups, Logger: options.Logger, Stopping: stopping,
		Release: release, WithoutProjections: options.WithoutProjections,
	}
	for _, e := range endpoints {
		service.Register(e.grpc, addrPort(e.mux.listener.Addr()))
		if e.guard != nil {
			e.guard.Users, e.guard.Lists = directory, rpc.Lists{Store: s.store}
		}
		e.serve(browser, directory, release.MaxAppend())
	}
	return s, nil
}

func addrPort(address net.Addr) netip.AddrPort {
	tcp, ok := address.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	return tcp.AddrPort()
}

func listen(options Options) ([]*endpoint, error) {
	var endpoints []*endpoint
	if !options.SecureOnly {
		plain, err := listenPlain(cmp.Or(options.Listen, "127.0.0.1:0"))
		if err != nil {
			return nil, err
		}
		endpoints = append(endpoints, plain)
	}
	if options.TLS != nil {
		secure, err := listenTLS(*options.TLS)
		if err != nil {
			return nil, errors.Join(err, closeAll(endpoints))
		}
		endpoints = append(endpoints, secure)
	}
	if len(endpoints) == 0 {
		return nil, errors.New("no port to listen on")
	}
	return endpoints, nil
}

func closeAll(endpoints []*endpoint) error {
	var err error
	for _, e := range endpoints {
		err = errors.Join(err, e.mux.close())
	}
	return err
}

// open reads the data and starts the groups stored in it.
func (s *Server) open(options Options) error {
	var storage journal.Storage = &journal.Memory{}
	if options.DataDir != "" {
		file, err := journal.OpenFile(options.DataDir)
		if err != nil {
			return err
		}
		storage = file
	}
	events, cut, err := store.Open(store.Config{
		Storage: storage, ProjectionDelay: options.ProjectionDelay, HiddenLinks: options.HiddenLinks,
		WithoutProjections: options.WithoutProjections,
	})
	if err != nil {
		return errors.Join(atData(options.DataDir, err), storage.Close())
	}
	if cut > 0 {
		options.Logger.Warn("cut a torn tail that was never acknowledged", "bytes", cut)
	}
	s.store = events
	err = startProjections(events, options)
	if err == nil {
		s.groups, err = groups.Open(events, options.Logger)
	}
	if err != nil {
		return errors.Join(err, events.Close())
	}
	return nil
}

// startProjections enables or disables the system projections, as Options describes.
func startProjections(events *store.Store, options Options) (err error) {
	for _, p := range events.Projections() {
		switch {
		case options.WithoutProjections:
		case options.StoppedProjections && events.IsNew():
			err = errors.Join(err, events.DisableProjection(p.Name))
		case !options.StoppedProjections && p.Status == store.ProjectionStopped:
			err = errors.Join(err, events.EnableProjection(p.Name))
		}
	}
	return err
}

// atData adds the data directory to an error.
func atData(dir string, err error) error {
	if dir == "" {
		return err
	}
	return fmt.Errorf("data in %s: %w", dir, err)
}

// Addr returns the address the server listens on, with the real port. It is the plain
// address if there is one.
func (s *Server) Addr() string { return s.endpoints[0].mux.listener.Addr().String() }

// URL returns a connection string for clients of Addr, without credentials.
func (s *Server) URL() string {
	return fmt.Sprintf("kurrentdb://%s?tls=%t", s.Addr(), s.endpoints[0].guard != nil)
}

// FaultProjection stops a system projection as if it had failed, until it is enabled
// again.
func (s *Server) FaultProjection(name, reason string) error {
	return s.store.FaultProjection(name, reason)
}

// Stop ends all calls, including subscriptions, and closes the data. It takes less than a
// second, or until ctx is done. Later calls return the result of the first one.
func (s *Server) Stop(ctx context.Context) error {
	s.once.Do(func() { s.stopErr = s.stopAll(ctx) })
	return s.stopErr
}

func (s *Server) stopAll(ctx context.Context) error {
	s.stop()
	s.groups.Stop()
	stopped := make(chan error)
	for _, e := range s.endpoints {
		go func() { stopped <- e.stop(ctx) }()
	}
	var err error
	for range s.endpoints {
		err = errors.Join(err, <-stopped)
	}
	return errors.Join(err, s.store.Close())
}
