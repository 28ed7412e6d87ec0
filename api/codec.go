package main

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"go.temporal.io/sdk/converter"

	"orderflow/internal/access"
	"orderflow/internal/config"
	"orderflow/internal/payloadcodec"
)

// codecPath is the path of the codec server, as TEMPORAL_CODEC_ENDPOINT and the Web UI have
// it: the client adds /encode or /decode.
const codecPath = "/codec"

// codecServer encrypts and decrypts payloads for Temporal's CLI and Web UI. Its protocol is
// Temporal's, so openapi.yaml leaves it out.
type codecServer struct {
	payloads http.Handler
	origins  []string // of the Web UIs whose pages may call it
}

// newCodecServer returns the codec server with the codec of Temporal's client, or nil if
// that encrypts nothing.
func newCodecServer(data converter.DataConverter, namespace string, origins []string) *codecServer {
	codec, found := payloadcodec.Of(data)
	if !found {
		return nil
	}
	return &codecServer{payloads: payloadcodec.Handler(codec, namespace), origins: origins}
}

// withCodec serves the codec next to the api, if there is one. A browser asks whether the
// Web UI's page may call it before it sends a token, so that comes before authentication.
// The rest of the api refuses requests of other sites' pages.
func (a *api) withCodec(rest http.Handler) http.Handler {
	if a.codec == nil {
		return rest
	}
	codec := payloadcodec.AllowOrigins(a.codec.origins, a.authenticated(a.limitRate(a.audited("use-codec", a.serveCodec()))))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case codecPath + "/encode", codecPath + "/decode":
			codec.ServeHTTP(w, r)
		default:
			rest.ServeHTTP(w, r)
		}
	})
}

// serveCodec serves requests whose token may decrypt.
func (a *api) serveCodec() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Pattern = codecPath // for the metric
		if err := a.authorize(r, access.Decode); err != nil {
			fail(w, r, a.logger, err)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
		defer cancel()
		a.codec.payloads.ServeHTTP(w, r.WithContext(ctx))
	})
}

// defaultPort returns the port that a browser leaves out of an origin.
func defaultPort(scheme string) string {
	if scheme == "https" {
		return "443"
	}
	return "80"
}

// checkOrigins reports an origin that no browser sends.
func checkOrigins(name string, origins []string) []config.Fault {
	for _, origin := range origins {
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || origin != u.Scheme+"://"+u.Host ||
			origin != strings.ToLower(origin) || u.Port() == defaultPort(u.Scheme) {
			return []config.Fault{{Name: name, Problem: "must be origins such as https://temporal.example.com, with commas between"}}
		}
	}
	return nil
}
