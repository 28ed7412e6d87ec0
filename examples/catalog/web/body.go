package web

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"sync"
	"time"

	"example.com/catalog/files"
)

// pace is the minimum speed of a client. It bounds the duration of an upload in
// proportion to its size.
type pace struct {
	idle           time.Duration // maximum time without a byte
	bytesPerSecond int64         // on average, after the first idle
}

// body is the body of an upload. Each read extends the deadline of the connection by the
// pace. One goroutine may read it, and others call progress and interrupt.
type body struct {
	io.ReadCloser
	pace       pace
	connection *http.ResponseController
	began      time.Time
	err        error // why it cannot be read further, unless it was read to its end

	mu          sync.Mutex // guards what follows, and the deadline for reading
	received    int64
	whole       bool // it was read to its end
	interrupted bool
}

var errInterrupted = errors.New("another upload has taken the slot")

func newBody(w http.ResponseWriter, r *http.Request, pace pace, limit int64) *body {
	return &body{
		ReadCloser: http.MaxBytesReader(w, r.Body, limit), pace: pace,
		connection: http.NewResponseController(w), began: time.Now(),
	}
}

// Read reads from the body. It returns os.ErrDeadlineExceeded if the client is too slow,
// and errInterrupted after interrupt.
func (b *body) Read(p []byte) (int, error) {
	if err := b.extend(); err != nil {
		b.err = err
		return 0, err
	}
	n, err := b.ReadCloser.Read(p)
	err = b.receive(n, err)
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// extend extends the deadline of the connection.
func (b *body) extend() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.interrupted {
		return errInterrupted
	}
	if err := b.connection.SetReadDeadline(b.deadline(time.Now())); err != nil {
		return fmt.Errorf("extend the deadline of the upload: %w", err)
	}
	return nil
}

// receive counts what a read returned, and returns its error.
func (b *body) receive(n int, err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.received += int64(n)
	switch {
	case err != nil && b.interrupted: // also at the end: the deadline looks like a disconnect
		return errInterrupted
	case errors.Is(err, io.EOF):
		b.whole = true
		_ = b.connection.SetReadDeadline(time.Time{}) // or a later timeout would look like a disconnect
	}
	return err
}

// progress returns how many bytes a second were received on average, and for how long the
// upload has lasted.
func (b *body) progress(now time.Time) (rate int64, age time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	age = max(now.Sub(b.began), time.Millisecond)
	if b.whole {
		return math.MaxInt64, age
	}
	return int64(float64(b.received) / age.Seconds()), age
}

// interrupt makes a read in progress and all further ones fail, and reports whether it
// did: a body that was read to its end needs no more.
func (b *body) interrupt() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.whole {
		return false
	}
	b.interrupted = true
	_ = b.connection.SetReadDeadline(time.Now()) // if it fails, the next read does
	return true
}

// deadline returns when the next bytes must have arrived.
func (b *body) deadline(now time.Time) time.Time {
	idle := now.Add(b.pace.idle)
	earned := time.Duration(b.received/b.pace.bytesPerSecond) * time.Second
	if average := b.began.Add(b.pace.idle + earned); average.Before(idle) {
		return average
	}
	return idle
}

// drain reads the rest of the body, because most clients read a response only after they
// have sent the whole request.
func (b *body) drain() {
	if b.err == nil {
		_, _ = io.Copy(io.Discard, b) // an error does not change the response
	}
}

// fault returns why the body could not be read, or nil.
func (b *body) fault() error {
	var tooLarge *http.MaxBytesError
	switch {
	case b.err == nil:
		return nil
	case errors.Is(b.err, errInterrupted):
		return outage("Too many uploads are in progress, and this one came slowest.", nil)
	case errors.As(b.err, &tooLarge):
		return files.ErrTooLarge
	case errors.Is(b.err, os.ErrDeadlineExceeded):
		return problemOf(http.StatusRequestTimeout, "The upload came too slowly.")
	case errors.Is(b.err, http.ErrNotSupported):
		return b.err
	default:
		return io.ErrUnexpectedEOF
	}
}
