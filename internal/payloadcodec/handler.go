package payloadcodec

import (
	"mime"
	"net/http"
	"slices"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
)

// maxRequest bounds the payloads of one request: those of one response of Temporal, which
// are at most 4 MiB, in base64.
const maxRequest = 8 << 20

// namespaceHeader names the namespace of the payloads, as the CLI and the Web UI send it.
const namespaceHeader = "X-Namespace"

// Handler encrypts and decrypts payloads for Temporal's CLI and Web UI, by POST requests
// to paths that end in /encode and /decode. A payload that cannot be decrypted is returned
// as it came, so that the others of an event are shown. Requests for another namespace are
// refused, because their payloads have other keys. Its callers may read every payload: who
// they are is left to the server, and so is the time that a request may take.
func Handler(c Codec, namespace string) http.Handler {
	remote := converter.NewPayloadCodecHTTPHandler(lenient{c})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		switch named := r.Header.Get(namespaceHeader); {
		case r.Method != http.MethodPost:
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "the method must be POST", http.StatusMethodNotAllowed)
		case err != nil || media != "application/json":
			http.Error(w, "the content type must be application/json", http.StatusUnsupportedMediaType)
		case named != "" && named != namespace:
			http.Error(w, "the payloads must be of namespace "+namespace, http.StatusForbidden)
		default:
			r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
			remote.ServeHTTP(w, r)
		}
	})
}

// lenient leaves payloads as they are that it cannot decrypt.
type lenient struct{ Codec }

// Decode decrypts what it can. Its error is always nil.
func (c lenient) Decode(payloads []*common.Payload) ([]*common.Payload, error) {
	decoded, keyOf := make([]*common.Payload, len(payloads)), c.keys.decrypting()
	for i, p := range payloads {
		plain, err := decrypt(p, keyOf)
		if err != nil {
			plain = p
		}
		decoded[i] = plain
	}
	return decoded, nil
}

// AllowOrigins lets the pages of some origins call a handler, and those of no other: a
// browser sends their requests from the Web UI, which has another origin. An origin is
// compared exactly, as in https://temporal.example.com. Requests without an origin, which
// no page sends, pass. The preflight request of a browser is answered before anything
// asks for a token, because it has none.
func AllowOrigins(origins []string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Add("Vary", "Origin")
		origin := r.Header.Get("Origin")
		switch {
		case origin == "":
			next.ServeHTTP(w, r)
			return
		case !slices.Contains(origins, origin):
			http.Error(w, "pages of this origin are not allowed", http.StatusForbidden)
			return
		}
		h.Set("Access-Control-Allow-Origin", origin)
		if r.Method == http.MethodOptions {
			h.Set("Access-Control-Allow-Methods", http.MethodPost)
			h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, "+namespaceHeader)
			h.Set("Access-Control-Max-Age", "600")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}
