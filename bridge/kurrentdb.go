package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"

	"orderflow/internal/config"
	"orderflow/internal/kurrent"
)

// Errors of a KurrentDB's functions, wrapped.
var (
	// ErrNotFound is returned if the group does not exist.
	ErrNotFound = kurrent.ErrNotFound
	// ErrUnavailable is returned if the server did not respond. It is not known what a
	// change did.
	ErrUnavailable = kurrent.ErrUnavailable
	// ErrAccessDenied is returned if the user is unknown or lacks a right.
	ErrAccessDenied = kurrent.ErrAccessDenied
	// ErrChanged is returned if parked events were replayed or dropped since they were
	// listed. Nothing was done.
	ErrChanged = kurrent.ErrWrongRevision
	// ErrReplaying is returned while another replay of a group's parked events runs.
	// Nothing was done.
	ErrReplaying = kurrent.ErrReplaying
	// ErrInvalid is returned for a request that the server will never accept.
	ErrInvalid = kurrent.ErrInvalid
)

// KurrentDB is a connection to KurrentDB. Every call ends with its context or after the
// call timeout, whatever the server does, and an outage of any length leaves no trace. It
// is safe for concurrent use, by several bridges too.
type KurrentDB struct {
	client *kurrent.Client
}

// ConnectOptions are how to connect. The zero value will do.
type ConnectOptions struct {
	File           string        // the file that the connection string was read from, read again for new connections; none if empty
	AllowPlaintext bool          // accept tls=false and tlsVerifyCert=false in a connection string
	CallTimeout    time.Duration // of each call; 0 means the connection string's defaultDeadline, or 10 s
	Connections    int           // how many calls can be in progress at once, besides subscriptions; 0 means 16
	Logger         *slog.Logger  // of the official client, at debug level; nil logs nothing
}

// Connect returns a connection by the connection string of the official client, such as
// kurrentdb://user:password@host:2113. It never dials: the first call does. The error
// quotes nothing of the connection string. Certificates and keys in the files that the
// string names are read again when they change.
func Connect(connectionString string, o ConnectOptions) (*KurrentDB, error) {
	return connect(kurrent.Config{URL: connectionString, URLFile: o.File}, o)
}

// ConnectWith is Connect by the configuration of the official client, which is copied. A
// bridge talks to the leading node and limits each attempt to find it, so the node
// preference and the number of attempts have no effect.
func ConnectWith(settings kurrentdb.Configuration, o ConnectOptions) (*KurrentDB, error) {
	return connect(kurrent.Config{Settings: &settings}, o)
}

func connect(c kurrent.Config, o ConnectOptions) (*KurrentDB, error) {
	c.AllowPlaintext, c.CallTimeout, c.Connections, c.Logger = o.AllowPlaintext, o.CallTimeout, o.Connections, o.Logger
	client, err := kurrent.Open(c)
	var invalid *config.Error
	if errors.As(err, &invalid) {
		var problems []string
		for _, fault := range invalid.Faults {
			problems = append(problems, fault.Problem)
		}
		return nil, fmt.Errorf("connect to KurrentDB: the connection string %s", strings.Join(problems, ", and "))
	}
	if err != nil {
		return nil, fmt.Errorf("connect to KurrentDB: %w", err)
	}
	return &KurrentDB{client: client}, nil
}

// Close aborts calls and subscriptions in progress.
func (k *KurrentDB) Close() { k.client.Close() }

// Difference is a setting in which a group differs from what a bridge wants.
type Difference struct {
	Text  string // the actual and the wanted value, with the reason if it loses events
	Loses bool   // a bridge does not join the group
}

// CompareGroup returns where the group differs from what a bridge with this subscription
// wants. It returns ErrNotFound if there is no such group.
func (k *KurrentDB) CompareGroup(ctx context.Context, s Subscription) ([]Difference, error) {
	found, err := k.client.CompareGroup(ctx, s.settings())
	return differencesOf(found), err
}

// EnsureGroup creates the group if it is missing, as a bridge does when it joins. An
// existing group is not changed.
func (k *KurrentDB) EnsureGroup(ctx context.Context, s Subscription) (differences []Difference, created bool, err error) {
	found, created, err := k.client.EnsureGroup(ctx, s.settings())
	return differencesOf(found), created, err
}

// UpdateGroup gives an existing group what a bridge wants. The server drops every
// consumer of the group, which join again, and delivers their unacknowledged events
// again. Checkpoint, parked events and filter remain. Replayed events that are not
// acknowledged yet are lost: the server has them in memory alone.
func (k *KurrentDB) UpdateGroup(ctx context.Context, s Subscription) error {
	return k.client.UpdateGroup(ctx, s.settings())
}

// GroupInfo is the state of a group.
type GroupInfo struct {
	Lag       uint64 // events above the group's checkpoint that the group knows of; of a group on All, bytes of the log
	InFlight  int64  // events sent to a consumer and not yet acknowledged
	Consumers int
}

// GroupInfo returns the state of a group. It returns ErrNotFound if there is no such
// group.
func (k *KurrentDB) GroupInfo(ctx context.Context, stream, group string) (GroupInfo, error) {
	info, err := k.client.GroupInfo(ctx, stream, group)
	return GroupInfo{Lag: info.Lag, InFlight: info.InFlight, Consumers: info.Consumers}, err
}

// LossReason returns the settings that make the group lose good events, with the repair.
// It returns an empty string if there are none.
func (s Subscription) LossReason(differences []Difference) string {
	all := make([]kurrent.Difference, len(differences))
	for i, d := range differences {
		all[i] = kurrent.Difference(d)
	}
	return s.settings().LossReason(all)
}

// Grant is what a user was granted on a stream.
type Grant struct {
	Stream string
	Rights []string // entries of the stream's access control list that were missing; none if the user had them all
}

// Grant grants a user, or all users in a group of that name, what is needed to join the
// group and to list and drop its parked events. The caller must be an administrator. It
// returns ErrReplaying if a right is missing while parked events are replayed, whose end
// would undo the grant.
func (k *KurrentDB) Grant(ctx context.Context, s Subscription, user string) ([]Grant, error) {
	given, err := k.client.GrantGroup(ctx, s.Stream, s.Group, user)
	grants := make([]Grant, len(given))
	for i, g := range given {
		grants[i].Stream = g.Stream
		for _, right := range g.Rights {
			grants[i].Rights = append(grants[i].Rights, string(right))
		}
	}
	return grants, err
}

func differencesOf(found []kurrent.Difference) []Difference {
	all := make([]Difference, len(found))
	for i, d := range found {
		all[i] = Difference(d)
	}
	return all
}

// IsGone reports whether err says that a stream or event does not exist, or was deleted.
func IsGone(err error) bool {
	return errors.Is(err, kurrent.ErrNotFound) || errors.Is(err, kurrent.ErrDeleted)
}

// ReadStream visits the events of a stream from a revision on, oldest first: at most limit of
// them, or all if limit is 0. It is for routes: an event may need what its stream held
// before. It stops at visit's first error and returns it, and returns an error that
// IsGone if there is no such stream.
func (k *KurrentDB) ReadStream(ctx context.Context, stream string, from uint64, limit int, visit func(Event) error) error {
	return k.client.ReadStream(ctx, stream, from, limit, func(e kurrent.Event) error { return visit(Event(e)) })
}
