package main

import (
	"net/url"
	"strings"
)

// links holds the base URLs of the other tools' pages. A tool with an empty URL is not
// linked.
type links struct{ temporal, streams, inbox string }

// streamPlace is the placeholder for a stream's name in API_STREAMS_UI_URL.
const streamPlace = "{stream}"

func newLinks(s settings, namespace string) links {
	l := links{streams: s.Links.Streams}
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

func join(base, rest string) string {
	if base == "" {
		return ""
	}
	return base + rest
}
