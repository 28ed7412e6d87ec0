package main

import (
	"net/url"
	"strings"
)

// links holds the base URLs of the other tools' pages. A tool with an empty URL is not
// linked.
type links struct{ temporal, streams, inbox, trace string }

// streamPlace is the placeholder for a stream's name in API_STREAMS_UI_URL.
const streamPlace = "{stream}"

// tracePlace is the placeholder for a trace's id in API_TRACE_URL.
const tracePlace = "{traceId}"

func newLinks(s settings, namespace string) links {
	l := links{streams: s.Links.Streams, trace: s.Links.Trace}
	if base := strings.TrimRight(s.Links.Temporal, "/"); base != "" {
		l.temporal = base + "/namespaces/" + url.PathEscape(namespace) + "/workflows/"
	}
	if l.streams != "" && !strings.Contains(l.streams, streamPlace) {
		l.streams = strings.TrimRight(l.streams, "/") + "/stream?name=" + streamPlace
	}
	if base := strings.TrimRight(s.Links.Inbox, "/"); base != "" {
		l.inbox = base + "/?orderId="
	}
	return l
}

// Workflow returns the URL of an order's workflow.
func (l links) Workflow(id string) string { return join(l.temporal, url.PathEscape(id)) }

// Inbox returns the URL of an order's emails.
func (l links) Inbox(orderID string) string { return join(l.inbox, url.QueryEscape(orderID)) }

// Stream returns the URL of a stream.
func (l links) Stream(name string) string {
	return strings.Replace(l.streams, streamPlace, url.QueryEscape(name), 1)
}

// Trace returns the URL of a trace, or "" if there is none.
func (l links) Trace(id string) string {
	if id == "" {
		return ""
	}
	return strings.ReplaceAll(l.trace, tracePlace, id)
}

func join(base, rest string) string {
	if base == "" {
		return ""
	}
	return base + rest
}
