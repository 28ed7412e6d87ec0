package streams

import (
	"context"
	"sync"
)

// keyedLock is a set of locks, one per key. A caller that waits for one can give up,
// which a mutex does not allow.
type keyedLock struct {
	mu   sync.Mutex
	held map[string]*keyLock // locks that are held or waited for
}

type keyLock struct {
	token chan struct{} // full while the lock is held
	users int           // hold it or wait for it
}

func newKeyedLock() *keyedLock { return &keyedLock{held: map[string]*keyLock{}} }

// lock acquires the key's lock, or returns the context's error.
func (l *keyedLock) lock(ctx context.Context, key string) (unlock func(), err error) {
	lock := l.ref(key)
	select {
	case lock.token <- struct{}{}:
		return func() {
			<-lock.token
			l.unref(key, lock)
		}, nil
	case <-ctx.Done():
		l.unref(key, lock)
		return nil, context.Cause(ctx)
	}
}

func (l *keyedLock) ref(key string) *keyLock {
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

func (l *keyedLock) unref(key string, lock *keyLock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if lock.users--; lock.users == 0 {
		delete(l.held, key)
	}
}
