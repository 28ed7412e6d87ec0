package web_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim/store"
)

// FuzzEvent shows arbitrary events; no part of them becomes a tag.
func FuzzEvent(f *testing.F) {
	f.Add("order-1", []byte(`{"a":["b\"",-1e3,true,null]}`))
	f.Add(hostile, []byte(hostile))
	f.Add("order-\xff", []byte(`"`))
	f.Add("$ce-order", []byte("1@"))
	f.Fuzz(func(t *testing.T, stream string, data []byte) {
		s := newTestBrowser(t)
		written, err := s.store.Append(stream, store.Any, []store.NewEvent{{ID: uuid.New(), Type: "t", Data: data, Metadata: data}})
		if err != nil || written.Revision != 0 {
			return
		}
		name := url.QueryEscape(stream)
		for _, path := range []string{"/web/event?stream=" + name, "/web/stream?name=" + name, "/web/"} {
			answer := s.get(path)
			require.Equal(t, http.StatusOK, answer.Code, path)
			require.NotContains(t, answer.Body.String(), "<script")
			require.NotContains(t, answer.Body.String(), "<img src=x")
		}
	})
}
