package main

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/door"
)

// way is the way to the event store, which can be shut.
type way struct {
	t *testing.T
	*door.Door
}

// behindADoor puts a door between publishers that start from now on and the event store.
func (w *world) behindADoor() way {
	w.t.Helper()
	d, err := door.Open(hostOf(w.t, w.kurrentDB))
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, d.Close()) })
	address, err := url.Parse(w.kurrentDB)
	require.NoError(w.t, err)
	direct := w.events
	address.Host = d.Addr()
	w.use(address.String())
	w.throughDoor, w.events = w.events, direct // what looks behind the publisher does not go through the door
	return way{w.t, d}
}

func hostOf(t *testing.T, address string) string {
	t.Helper()
	parsed, err := url.Parse(address)
	require.NoError(t, err)
	return parsed.Host
}

// shut lets nothing through any more, not even to be refused: calls end by their own deadline.
func (d way) shut() {
	d.Hold(door.In)
	d.Hold(door.Back)
}

func (d way) open() { d.Release() }
