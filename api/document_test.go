package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/stretchr/testify/require"
)

func TestDocument_DescribesEveryRoute(t *testing.T) {
	t.Parallel()
	var described, routed []string
	for path, item := range loadDocument(t).Paths.Map() {
		for method := range item.Operations() {
			described = append(described, method+" "+path)
		}
	}
	for pattern := range shared.api().routes() {
		routed = append(routed, strings.TrimSuffix(pattern, "{$}"))
	}
	require.ElementsMatch(t, routed, described)
}

func TestDocument_NamesRoleOfEveryRoute(t *testing.T) {
	t.Parallel()
	paths := loadDocument(t).Paths
	for pattern, to := range shared.api().routes() {
		method, path, _ := strings.Cut(strings.TrimSuffix(pattern, "{$}"), " ")
		security := paths.Value(path).GetOperation(method).Security
		if to.role == "" {
			require.Nil(t, security, "%s: any token", pattern)
			continue
		}
		role := []string{string(to.role)}
		require.Equal(t, &openapi3.SecurityRequirements{{"bearer": role}, {"basic": role}, {}}, security, pattern)
	}
}

func TestDocument_IsServed(t *testing.T) {
	t.Parallel()
	got := newClient(t, shared.api()).get("/openapi.yaml")
	require.Equal(t, http.StatusOK, got.status)
	require.Equal(t, string(document), got.body)
	require.Contains(t, got.body, "openapi: 3.1.0")
}

// sightings are the answers that were seen, by operation and status.
type sightings struct {
	mu  sync.Mutex
	got map[string]bool
}

var seen = sightings{got: map[string]bool{}}

func (s *sightings) add(operation string, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got[operation+" "+strconv.Itoa(status)] = true
}

// complete errs when a status that is described was never seen.
func (s *sightings) complete() error {
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		return err
	}
	var missing []string
	for _, item := range doc.Paths.Map() {
		for _, operation := range item.Operations() {
			for status := range operation.Responses.Map() {
				if sight := operation.OperationID + " " + status; !s.got[sight] {
					missing = append(missing, sight)
				}
			}
		}
	}
	if slices.Sort(missing); len(missing) > 0 {
		return fmt.Errorf("described, and answered in no test: %s", strings.Join(missing, ", "))
	}
	return nil
}

func loadDocument(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(document)
	require.NoError(t, err)
	require.NoError(t, doc.Validate(t.Context()))
	return doc
}

// inspector holds every answer against the document.
type inspector struct {
	t      *testing.T
	router routers.Router
	next   http.RoundTripper
}

func newInspector(t *testing.T, next http.RoundTripper) http.RoundTripper {
	t.Helper()
	router, err := legacy.NewRouter(loadDocument(t))
	require.NoError(t, err)
	return &inspector{t: t, router: router, next: next}
}

// RoundTrip errs when an answer is not as described.
func (i *inspector) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := i.next.RoundTrip(r)
	slash := len(r.URL.Path) > 1 && strings.HasSuffix(r.URL.Path, "/")       // the document's router ignores it, and the api does not
	if err != nil || slash || strings.HasPrefix(r.URL.Path, codecPath+"/") { // its protocol is Temporal's
		return response, err
	}
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(answer))
	asked := r.Clone(r.Context())
	asked.URL.Path = r.URL.EscapedPath() // the router looks at it without knowing a slash in an id from others
	route, params, err := i.router.FindRoute(asked)
	if err != nil { // the document does not know the path or the method
		if response.StatusCode < http.StatusBadRequest && r.Method != http.MethodHead && r.Method != http.MethodOptions {
			i.t.Errorf("%s %s: %d, which is not described: %v", r.Method, r.URL.Path, response.StatusCode, err)
		}
		return response, nil
	}
	seen.add(route.Operation.OperationID, response.StatusCode)
	html := strings.HasPrefix(response.Header.Get("Content-Type"), "text/") // or a script or a style sheet
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route},
		Status:                 response.StatusCode, Header: response.Header,
		Options: &openapi3filter.Options{IncludeResponseStatus: true, ExcludeResponseBody: html},
	}
	if err := openapi3filter.ValidateResponse(r.Context(), input.SetBodyBytes(answer)); err != nil {
		i.t.Errorf("%s %s: %d %s: %v", r.Method, r.URL.Path, response.StatusCode, answer, err)
	}
	return response, nil
}
