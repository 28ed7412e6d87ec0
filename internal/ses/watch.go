package ses

import (
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/service/sesv2"
)

// maxResponse is far above the size of any response of SES. It keeps a server that is not
// SES from filling the memory.
const maxResponse = 256 << 10

// call records what one Send learns about its exchange below the SDK, whose errors do not
// tell whether a request was written.
type call struct{ gotConnection atomic.Bool }

type callKey struct{}

// withCall returns a context whose exchange with SES is recorded in the returned call.
func withCall(ctx context.Context) (context.Context, *call) {
	c := &call{}
	return context.WithValue(ctx, callKey{}, c), c
}

// connected reports whether there was a connection to write the request to. If not, no
// byte of it can have been sent; otherwise some may have been, and it is unknown how much
// SES read.
func (c *call) connected() bool { return c.gotConnection.Load() }

// tracingClient is the HTTP client for calls to SES only. Credentials are fetched by
// another client and do not count.
type tracingClient struct{ sesv2.HTTPClient }

// Do traces the exchange into the call in the request's context, and limits the size of
// the response.
func (t tracingClient) Do(request *http.Request) (*http.Response, error) {
	if c, ok := request.Context().Value(callKey{}).(*call); ok {
		trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { c.gotConnection.Store(true) }}
		request = request.WithContext(httptrace.WithClientTrace(request.Context(), trace))
	}
	response, err := t.HTTPClient.Do(request)
	if err != nil {
		return response, err
	}
	response.Body = limitedBody{io.LimitReader(response.Body, maxResponse), response.Body}
	return response, nil
}

type limitedBody struct {
	io.Reader
	io.Closer
}
