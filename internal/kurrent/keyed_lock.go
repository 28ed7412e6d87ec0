package kurrent

import (
	"context"
	"sync"
)

// keyedLock is a lock for each key. Whoever waits for one can give up, which a mutex does not allow.
type keyedLock struct {
	mu   sync.Mutex
	held map[string]*keyLock // those that somebody has or waits for
}

type keyLock struct {
	token chan struct{} // holds one while the lock is taken
	users int           // have it or wait for it
}

func newKeyedLock() *keyedLock { return &keyedLock{held: map[string]*keyLock{}} }

// lock takes the key's lock, or gives up with the context's error.
func (l *keyedLock) lock(ctx context.Context, key string) (unlock func(), err error) {
	lock := l.enter(key)
	select {
	case lock.token <- struct{}{}:
		return func() {
			<-lock.token
			l.leave(key, lock)
		}, nil
	case <-ctx.Done():
		l.leave(key, lock)
		return nil, context.Cause(ctx)
	}
}

func (l *keyedLock) enter(key string) *keyLock {
	l.mu.Lock()
	defer l.mu.Unlock()
	lock := l.held[key]
	if lock == nil {
		lock = &keyLock{token: make(chan struct{}, 1)}
		l.held[key] = lock
	}
	lock.users++
	return lock
}

func (l *keyedLock) leave(key string, lock *keyLock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if lock.users--; lock.users == 0 {
		delete(l.held, key)
	}
}
