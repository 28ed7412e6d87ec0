// Package opstest runs a daemon in a test's process, and asks the operations server that it starts.
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

// patience is how long anything that should happen may take on a busy machine.
const patience = 2 * time.Minute

// Daemon is a daemon that runs until the test ends, or Stop.
type Daemon struct {
	t      *testing.T
	cancel context.CancelFunc
	ended  chan struct{}
	err    error // once ended is closed
	log    log
}

// Start runs a daemon, whose operations server must listen at a port of its own choice, and which logs to the writer.
func Start(t *testing.T, run func(ctx context.Context, log io.Writer) error) *Daemon {
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

// Cancel tells the daemon to stop, as a platform does.
func (d *Daemon) Cancel() { d.cancel() }

// Stop tells the daemon to stop and returns what its run returned.
func (d *Daemon) Stop() error {
	d.t.Helper()
	d.cancel()
	return d.Wait()
}

// Wait waits until the daemon ends by itself, and returns what its run returned.
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

// Find waits until the log has a line that matches, and returns the pattern's first group.
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

// Get returns the status and body of a page of the operations server, and how long it took.
func (d *Daemon) Get(path string) (status int, body string, took time.Duration) {
	d.t.Helper()
	address := d.Find(`msg="serving operations".* address=(\S+)`)
	began := time.Now()
	request, err := http.NewRequestWithContext(d.t.Context(), http.MethodGet, "http://"+address+path, nil)
	require.NoError(d.t, err)
	request.Close = true
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err.Error(), time.Since(began)
	}
	defer answer.Body.Close()
	read, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err.Error(), time.Since(began)
	}
	return answer.StatusCode, string(read), time.Since(began)
}

// Await waits until a page has the status and all of the words, and returns its body.
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
	}, patience, 20*time.Millisecond, "%s", describe(func() string { return path + " lacks " + lacking + ": " + body }))
	return body
}

// describe is a message that is made when it is printed.
type describe func() string

// String returns the message.
func (d describe) String() string { return d() }

// log is written while it is read.
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
