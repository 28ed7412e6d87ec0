// Package opstest runs a daemon, in a test's process or as a program that it builds, and
// sends requests to its operations server.
package opstest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// patience is how long any expected event may take on a busy machine.
const patience = 2 * time.Minute

// Daemon is a running daemon. It runs until Stop, or until the test ends.
type Daemon struct {
	t      testing.TB
	cancel context.CancelFunc
	ended  chan struct{}
	err    error // set before ended is closed
	log    log
}

// Start runs a daemon. Its operations server must listen on a free port, and it must log
// to the writer.
func Start(t testing.TB, run func(ctx context.Context, log io.Writer) error) *Daemon {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	d := &Daemon{t: t, cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(d.ended)
		d.err = run(ctx, &d.log)
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case <-d.ended:
		case <-time.After(patience):
			assert.Fail(t, "the daemon does not end")
		}
	})
	return d
}

// Cancel asks the daemon to stop, as a platform does. It does not wait.
func (d *Daemon) Cancel() { d.cancel() }

// Stop asks the daemon to stop, waits, and returns what its run returned.
func (d *Daemon) Stop() error {
	d.t.Helper()
	d.cancel()
	return d.Wait()
}

// Wait waits until the daemon ends on its own, and returns what its run returned.
func (d *Daemon) Wait() error {
	d.t.Helper()
	select {
	case <-d.ended:
		return d.err
	case <-time.After(patience):
		require.Fail(d.t, "the daemon does not end", d.log.String())
		return nil
	}
}

// Log returns what was logged so far.
func (d *Daemon) Log() string { return d.log.String() }

// Find waits until the log has a line that matches, and returns the pattern's first
// group.
func (d *Daemon) Find(pattern string) string {
	d.t.Helper()
	var found string
	require.Eventually(d.t, func() bool {
		match := regexp.MustCompile(pattern).FindStringSubmatch(d.Log())
		if len(match) > 1 {
			found = match[1]
		}
		return len(match) > 1
	}, patience, 10*time.Millisecond, pattern)
	return found
}

// Get returns the status and body of a page of the operations server, and how long the
// request took.
func (d *Daemon) Get(path string) (status int, body string, took time.Duration) {
	d.t.Helper()
	address := d.Find(`msg="serving operations".* address=(\S+)`)
	began := time.Now()
	request, err := http.NewRequestWithContext(d.t.Context(), http.MethodGet, "http://"+address+path, nil)
	require.NoError(d.t, err)
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err.Error(), time.Since(began)
	}
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error(), time.Since(began)
	}
	return response.StatusCode, string(read), time.Since(began)
}

// Await waits until a page has the status and contains all words, and returns its body.
func (d *Daemon) Await(path string, status int, words ...string) (body string) {
	d.t.Helper()
	lacking := ""
	require.Eventually(d.t, func() bool {
		var found int
		found, body, _ = d.Get(path)
		lacking = ""
		if found != status {
			lacking = fmt.Sprintf("status %d", status)
		}
		for _, word := range words {
			if !strings.Contains(body, word) {
				lacking = word
			}
		}
		return lacking == ""
	}, patience, 20*time.Millisecond, "%s", lazyMessage(func() string { return path + " lacks " + lacking + ": " + body }))
	return body
}

// lazyMessage is a message that is built when it is printed.
type lazyMessage func() string

// String returns the message.
func (d lazyMessage) String() string { return d() }

// log is a buffer that can be read while it is written.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write appends to the log.
func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
