package web

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
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
// pace.
type body struct {
	io.ReadCloser
	pace       pace
	connection *http.ResponseController
	began      time.Time
	received   int64
	err        error // why it cannot be read further, unless it was read to its end
}

func newBody(w http.ResponseWriter, r *http.Request, pace pace, limit int64) *body {
	return &body{
		ReadCloser: http.MaxBytesReader(w, r.Body, limit), pace: pace,
		connection: http.NewResponseController(w), began: time.Now(),
	}
}

// Read reads from the body. It returns os.ErrDeadlineExceeded if the client is too slow.
func (b *body) Read(p []byte) (int, error) {
	if err := b.connection.SetReadDeadline(b.deadline(time.Now())); err != nil {
		b.err = fmt.Errorf("extend the deadline of the upload: %w", err)
		return 0, b.err
	}
	n, err := b.ReadCloser.Read(p)
	b.received += int64(n)
	switch {
	case errors.Is(err, io.EOF):
		_ = b.connection.SetReadDeadline(time.Time{}) // or a later timeout would look like a disconnect
	case err != nil:
		b.err = err
	}
	return n, err
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
