// Package users manages who may log in, and checks their passwords.
//
// Users are configured at the server's start or created through the HTTP API for users.
// The latter are stored in the event log, in a real server's streams: $user-NAME holds a
// user, and $users lists them.
package users

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/google/uuid"

	"orderflow/dev/kurrentsim/access"
	"orderflow/dev/kurrentsim/store"
)

// User is a user configured at the server's start.
type User struct {
	access.User
	Password string
}

// ErrConflict is returned for a name that another user has.
var ErrConflict = errors.New("user exists")

// The streams and event types that store users.
const (
	listStream  = "$users"
	listType    = "$User"
	userStream  = "$user-"
	createdType = "$UserCreated"
	// userMetadata restricts access to a user's stream as a real server does: others may
	// only do what system streams allow.
	userMetadata = `{"$acl":{"$w":"$admins","$d":"$admins","$mw":"$admins"}}`
)

// Passwords are hashed with a real server's parameters: the passwords in a test's log
// need no more protection.
const (
	rounds   = 1000
	saltSize = 16
	hashSize = 20
)

// Directory holds the users. It is safe for concurrent use.
type Directory struct {
	events *store.Store

	mu    sync.Mutex
	users map[string]*account
}

// account is a user and the hash of its password.
type account struct {
	user       access.User
	salt, hash []byte
	verified   [sha256.Size]byte // digest of the last correct password: hashing is deliberately slow
	known      bool
}

// record is a user as stored in the log.
type record struct {
	LoginName string   `json:"loginName"`
	FullName  string   `json:"fullName"`
	Salt      []byte   `json:"salt"`
	Hash      []byte   `json:"hash"`
	Disabled  bool     `json:"disabled"`
	Groups    []string `json:"groups"`
}

// Open returns the directory of the given users and of those in the log. If both have a
// name, the given user is used.
func Open(events *store.Store, given []User) (*Directory, error) {
	d := &Directory{events: events, users: map[string]*account{}}
	if err := d.load(); err != nil {
		return nil, fmt.Errorf("load users: %w", err)
	}
	for _, user := range given {
		added, err := newAccount(user)
		if err != nil {
			return nil, err
		}
		d.users[user.Name] = added
	}
	return d, nil
}

func newAccount(user User) (*account, error) {
	a := &account{user: user.User, salt: make([]byte, saltSize)}
	_, _ = rand.Read(a.salt) // never fails
	var err error
	a.hash, err = hash(user.Password, a.salt)
	return a, err
}

func hash(password string, salt []byte) ([]byte, error) {
	key, err := pbkdf2.Key(sha256.New, password, salt, rounds, hashSize)
	if err != nil {
		return nil, fmt.Errorf("hash password: %w", err)
	}
	return key, nil
}

// load reads the users in the log.
func (d *Directory) load() error {
	for from := int64(0); ; {
		page, err := d.events.ReadStream(listStream, from, store.Forwards, 100)
		if err != nil || page.State != store.Present {
			return err
		}
		for i := range page.Events {
			if err := d.loadUser(string(page.Events[i].Data)); err != nil {
				return err
			}
		}
		if page.End {
			return nil
		}
		from = page.Next
	}
}

// loadUser reads the newest event of a user's stream. A user whose stream is missing was
// deleted.
func (d *Directory) loadUser(name string) error {
	page, err := d.events.ReadStream(userStream+name, store.DeletedRevision, store.Backwards, 1)
	if err != nil || len(page.Events) == 0 {
		return err
	}
	var r record
	if err := json.Unmarshal(page.Events[0].Data, &r); err != nil {
		return fmt.Errorf("decode user %s: %w", name, err)
	}
	if !r.Disabled {
		d.users[name] = &account{user: access.User{Name: name, Groups: r.Groups}, salt: r.Salt, hash: r.Hash}
	}
	return nil
}

// Authenticate returns the user of that name if the password is right.
func (d *Directory) Authenticate(name, password string) (*access.User, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	found, ok := d.users[name]
	if !ok || !found.matches(password) {
		return nil, false
	}
	return &found.user, true
}

func (a *account) matches(password string) bool {
	digest := sha256.Sum256([]byte(password))
	if a.known && subtle.ConstantTimeCompare(digest[:], a.verified[:]) == 1 {
		return true
	}
	given, err := hash(password, a.salt)
	if err != nil || subtle.ConstantTimeCompare(given, a.hash) != 1 {
		return false
	}
	a.verified, a.known = digest, true
	return true
}

// Create makes a user and stores it in the log. If the user exists with the same
// password, it changes nothing; with another password it returns ErrConflict.
func (d *Directory) Create(user User, fullName string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if existing, ok := d.users[user.Name]; ok {
		if existing.matches(user.Password) {
			return nil
		}
		return ErrConflict
	}
	added, err := newAccount(user)
	if err != nil {
		return err
	}
	if err := d.save(added, fullName); err != nil {
		return fmt.Errorf("save user %s: %w", user.Name, err)
	}
	d.users[user.Name] = added
	return nil
}

// save writes the user before it lists its name. A listed name without a user is ignored.
func (d *Directory) save(a *account, fullName string) error {
	stream := userStream + a.user.Name
	data, err := json.Marshal(record{
		LoginName: a.user.Name, FullName: fullName, Salt: a.salt, Hash: a.hash, Groups: a.user.Groups,
	})
	if err != nil {
		return err
	}
	for _, write := range []struct {
		stream string
		event  store.NewEvent
	}{
		{"$$" + stream, store.NewEvent{Type: store.TypeMetadata, JSON: true, Data: []byte(userMetadata)}},
		{stream, store.NewEvent{Type: createdType, JSON: true, Data: data}},
		{listStream, store.NewEvent{Type: listType, Data: []byte(a.user.Name)}},
	} {
		write.event.ID = uuid.New()
		if _, err := d.events.Append(write.stream, store.Any, []store.NewEvent{write.event}); err != nil {
			return err
		}
	}
	return nil
}
