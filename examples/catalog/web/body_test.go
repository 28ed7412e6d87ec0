package web

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// send sends the first bytes of an upload on a connection that the test keeps.
func (r *rig) send(u upload, bytes int) net.Conn {
	r.Helper()
	connection, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", r.server.Listener.Addr().String())
	require.NoError(r, err)
	r.Cleanup(func() { _ = connection.Close() })
	require.NoError(r, connection.SetDeadline(time.Now().Add(10*time.Second)))
	form, kind := u.form()
	_, err = fmt.Fprintf(connection, "POST /videos HTTP/1.1\r\nHost: catalog\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
		kind, form.Len(), form.Next(bytes))
	require.NoError(r, err)
	return connection
}

func TestBody(t *testing.T) {
	t.Parallel()
	t.Run("that stops is refused, and nothing is kept", func(t *testing.T) {
		t.Parallel()
		r, u := newRig(t), newUpload()
		r.site.pace.idle = 20 * time.Millisecond
		connection := r.send(u, 350)
		status := make([]byte, len("HTTP/1.1 408"))
		_, err := io.ReadFull(connection, status)
		require.NoError(t, err)
		require.Equal(t, "HTTP/1.1 408", string(status))
		require.False(t, r.kept(u.id))
		require.Empty(t, r.messages.streams)
	})
	t.Run("of a client that disconnects leaves nothing", func(t *testing.T) {
		t.Parallel()
		r, u := newRig(t), newUpload()
		r.disk.began = make(chan struct{})
		u.content += strings.Repeat("x", maxUpload/2)
		connection := r.send(u, maxUpload/4)
		<-r.disk.began
		require.NoError(t, connection.Close())
		require.Eventually(t, func() bool { return r.site.uploads.count() == 0 }, 10*time.Second, 5*time.Millisecond)
		require.False(t, r.kept(u.id))
		require.Empty(t, r.messages.streams)
		r.disk.began = nil
		require.Equal(t, http.StatusSeeOther, r.upload(u).StatusCode)
	})
	t.Run("outlasts the server's timeouts while bytes arrive", func(t *testing.T) {
		t.Parallel()
		r, u := newRig(t), newUpload()
		r.impatient()
		r.disk.began = make(chan struct{})
		u.content += strings.Repeat("x", maxUpload/2)
		form, kind := u.form()
		half := form.Next(maxUpload / 4)
		body, client := io.Pipe()
		go func() {
			_, _ = client.Write(half)
			<-r.disk.began
			<-time.After(2 * impatience) // which is what is tested
			_, _ = form.WriteTo(client)
			_ = client.Close()
		}()
		require.Equal(t, http.StatusSeeOther, r.do(http.MethodPost, "/videos", body, "Content-Type", kind).StatusCode)
	})
	t.Run("that comes slowest is interrupted if another needs its slot", func(t *testing.T) {
		t.Parallel()
		r, slow := newRig(t), newUpload()
		r.site.uploads.limit, r.site.uploads.grace, r.site.uploads.fast = 1, 0, math.MaxInt64
		r.disk.began = make(chan struct{})
		slow.content += strings.Repeat("x", maxUpload/2)
		connection := r.send(slow, maxUpload/4)
		<-r.disk.began
		r.disk.began = nil
		require.Equal(t, http.StatusSeeOther, r.upload(newUpload()).StatusCode)
		got, err := http.ReadResponse(bufio.NewReader(connection), nil)
		require.NoError(t, err)
		defer got.Body.Close()
		require.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
		require.Equal(t, retrySeconds, got.Header.Get("Retry-After"))
		page, err := io.ReadAll(got.Body)
		require.NoError(t, err)
		require.Contains(t, string(page), "this one came slowest")
		require.Contains(t, string(page), `name="id" value="`+slow.id+`"`, "the form may be sent again")
		require.False(t, r.kept(slow.id))
		require.Eventually(t, func() bool { return r.site.uploads.count() == 0 }, 10*time.Second, 5*time.Millisecond)
	})
	t.Run("has to come at a pace", func(t *testing.T) {
		t.Parallel()
		began := time.Now()
		b := &body{pace: pace{idle: 30 * time.Second, bytesPerSecond: 1000}, began: began}
		require.Equal(t, began.Add(30*time.Second), b.deadline(began))
		require.Equal(t, began.Add(30*time.Second), b.deadline(began.Add(20*time.Second)), "a byte in a while is not enough")
		b.received = 60_000
		require.Equal(t, began.Add(50*time.Second), b.deadline(began.Add(20*time.Second)))
		require.Equal(t, began.Add(90*time.Second), b.deadline(began.Add(80*time.Second)))
	})
}

const impatience = 100 * time.Millisecond

// impatient replaces the server by one with short timeouts.
func (r *rig) impatient() {
	server := httptest.NewUnstartedServer(r.site.handler())
	server.Config.ReadTimeout, server.Config.WriteTimeout = impatience, impatience
	server.Config.ReadHeaderTimeout = waitLimit // what is tested begins after the header
	server.Start()
	r.Cleanup(server.Close)
	r.server = server
}
