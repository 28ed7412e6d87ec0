package e2e_test

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
)

// traceCollector receives spans by OTLP over HTTP. It is safe for concurrent use.
type traceCollector struct {
	url string

	mu    sync.Mutex
	spans []receivedSpan
	text  strings.Builder // everything that was received
}

type receivedSpan struct {
	service, name, id, parent, trace string
	links                            []string // ids of the linked spans
}

func newTraceCollector(t *testing.T) *traceCollector {
	t.Helper()
	c := &traceCollector{}
	server := httptest.NewServer(http.HandlerFunc(c.receive))
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

func (c *traceCollector) receive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var request collector.ExportTraceServiceRequest
	if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &request) != nil {
		http.Error(w, "no spans", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text.WriteString(prototext.Format(&request))
	for _, resource := range request.GetResourceSpans() {
		service := ""
		for _, a := range resource.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				service = a.GetValue().GetStringValue()
			}
		}
		for _, scope := range resource.GetScopeSpans() {
			for _, span := range scope.GetSpans() {
				c.spans = append(c.spans, received(service, span))
			}
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func received(service string, span *trace.Span) receivedSpan {
	s := receivedSpan{
		service: service, name: span.GetName(), id: hex.EncodeToString(span.GetSpanId()), parent: hex.EncodeToString(span.GetParentSpanId()),
		trace: hex.EncodeToString(span.GetTraceId()),
	}
	for _, link := range span.GetLinks() {
		s.links = append(s.links, hex.EncodeToString(link.GetSpanId()))
	}
	return s
}

// all returns the spans received so far, and their text.
func (c *traceCollector) all() ([]receivedSpan, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans), c.text.String()
}

// graph returns the spans of a trace and those that link to it, and its edges as
// "child < parent" by names, sorted. A parent that was not received is named by its id.
func (c *traceCollector) graph(traceID string) (spans []receivedSpan, edges []string) {
	all, _ := c.all()
	names, inTrace := map[string]string{}, map[string]bool{}
	for _, s := range all {
		names[s.id] = s.name
		inTrace[s.id] = s.trace == traceID
	}
	for _, s := range all {
		linked := slices.ContainsFunc(s.links, func(id string) bool { return inTrace[id] })
		if s.trace != traceID && !linked {
			continue
		}
		spans = append(spans, s)
		for _, parent := range append(slices.Clone(s.links), s.parent) {
			name := names[parent]
			if name == "" {
				name = parent
			}
			if parent != "" {
				edges = append(edges, s.name+" < "+name)
			}
		}
	}
	slices.Sort(edges)
	return spans, slices.Compact(edges)
}
