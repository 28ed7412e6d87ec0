package ses

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/service/sesv2"
)

// maxAnswer is far above any answer of SES and keeps what is not SES from filling memory.
const maxAnswer = 256 << 10

// call is what one Send learns about its exchange from below the SDK, whose errors do not tell whether a request got out.
type call struct{ gotConnection atomic.Bool }

type callKey struct{}

// watch gives a context whose exchange with SES is noted in the call.
func watch(ctx context.Context) (context.Context, *call) {
	c := &call{}
	return context.WithValue(ctx, callKey{}, c), c
}

// connected reports whether there was a connection to write the request to. Until then not a byte of it can have left;
// from then on some of it may have, and nobody can say how much was read.
func (c *call) connected() bool { return c.gotConnection.Load() }

// watchedClient is the HTTP client of SES calls alone: credentials are fetched by another, and do not count.
type watchedClient struct{ sesv2.HTTPClient }

// Do traces the exchange into the call that its context carries, and bounds the answer.
func (w watchedClient) Do(request *http.Request) (*http.Response, error) {
	if c, ok := request.Context().Value(callKey{}).(*call); ok {
		trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { c.gotConnection.Store(true) }}
		request = request.WithContext(httptrace.WithClientTrace(request.Context(), trace))
	}
	response, err := w.HTTPClient.Do(request)
	if err != nil {
		return response, err
	}
	response.Body = bounded{io.LimitReader(response.Body, maxAnswer), response.Body}
	return response, nil
}

type bounded struct {
	io.Reader
	io.Closer
}
