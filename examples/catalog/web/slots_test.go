package web

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// count returns how many slots are held.
func (s *slots) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.held)
}

func TestSlots(t *testing.T) {
	t.Parallel()
	now := time.Now()
	began := func(ago time.Duration, received int64) *body {
		return &body{
			connection: http.NewResponseController(httptest.NewRecorder()), began: now.Add(-ago), received: received,
		}
	}
	newSlots := func(held ...*body) *slots {
		s := &slots{limit: len(held), grace: 10 * time.Second, fast: 1 << 20, held: map[*body]struct{}{}}
		for _, b := range held {
			require.True(t, s.take(b, now))
		}
		return s
	}
	t.Run("are taken from the slowest upload", func(t *testing.T) {
		t.Parallel()
		slow, slowest, fast := began(time.Minute, 60<<17), began(time.Minute, 60<<16), began(time.Minute, 60<<21)
		s := newSlots(slow, slowest, fast)
		another := began(0, 0)
		require.True(t, s.take(another, now))
		require.Equal(t, []bool{false, true, false}, []bool{slow.interrupted, slowest.interrupted, fast.interrupted})
		s.release(slowest)
		require.Equal(t, 3, s.count(), "its slot is the other's")
		s.release(another)
		require.Equal(t, 2, s.count())
	})
	t.Run("are held by fast uploads, new ones and whole ones", func(t *testing.T) {
		t.Parallel()
		whole := began(time.Hour, 1)
		whole.whole = true
		s := newSlots(began(time.Minute, 60<<20), began(9*time.Second, 0), whole)
		require.False(t, s.take(began(0, 0), now))
		require.True(t, s.take(began(0, 0), now.Add(time.Second)))
		require.False(t, whole.interrupted)
		require.Equal(t, 3, s.count())
	})
	t.Run("are never more than the limit, however many need one", func(t *testing.T) {
		t.Parallel()
		s := newSlots(began(time.Minute, 1), began(time.Minute, 2))
		taken := 0
		for range 10 {
			if s.take(began(0, 0), now) {
				taken++
			}
		}
		require.Equal(t, []int{2, 2}, []int{taken, s.count()})
	})
}
