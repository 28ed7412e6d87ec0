package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// toxicTimeout bounds putting a toxic on the connections of an edge and taking it off. One that stands in front of a
// paused process waits for it.
const toxicTimeout = 30 * time.Second

// Toxic is what an edge does to the bytes that pass it, in Toxiproxy's words.
type Toxic struct {
	Name       string         `json:"name"` // one edge's toxics have different ones
	Type       string         `json:"type"` // latency, bandwidth, timeout, limit_data, reset_peer
	Stream     string         `json:"stream"`
	Attributes map[string]int `json:"attributes"`
}

// The directions of a Toxic: requests go upstream, answers come downstream.
const (
	Upstream   = "upstream"
	Downstream = "downstream"
)

// Edge is the way of one process to one store, or of clients to an api.
type Edge struct {
	Name string // such as worker-1/postgres
	From string // the process, or Client
	To   string // the store or the api

	proxy *toxiproxy.Proxy
	mu    sync.Mutex // of opening and closing
}

func newEdge(server *toxiproxy.ApiServer, from, to, listen, upstream string) *Edge {
	name := from + "/" + to
	return &Edge{Name: name, From: from, To: to, proxy: toxiproxy.NewProxy(server, name, listen, upstream)}
}

// newProxies makes what the proxies share. They log nothing: what they do is what was asked for. Some of them log by the
// library's one logger, whatever they are given.
func newProxies() *toxiproxy.ApiServer {
	zerolog.SetGlobalLevel(zerolog.Disabled)
	return toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
}

// Open lets connections through.
func (e *Edge) Open() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.proxy.Start(); err != nil && !errors.Is(err, toxiproxy.ErrProxyAlreadyStarted) {
		return fmt.Errorf("open %s: %w", e.Name, err)
	}
	return nil
}

// Close ends every connection and refuses new ones, as a store that is not there does.
func (e *Edge) Close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.proxy.Stop()
}

// Add puts a toxic on all connections, those that are open and those to come.
func (e *Edge) Add(ctx context.Context, t Toxic) error {
	body, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("toxic %s: %w", t.Name, err)
	}
	return e.bounded(ctx, "add "+t.Name, func() error {
		_, err := e.proxy.Toxics.AddToxicJson(bytes.NewReader(body))
		return err
	})
}

// Remove takes a toxic off. A timeout that is taken off ends the connections it was on.
func (e *Edge) Remove(ctx context.Context, name string) error {
	return e.bounded(ctx, "remove "+name, func() error { return e.proxy.Toxics.RemoveToxic(ctx, name) })
}

// Heal takes all toxics off.
func (e *Edge) Heal(ctx context.Context) error {
	return e.bounded(ctx, "heal", func() error {
		e.proxy.Toxics.ResetToxics(ctx)
		return nil
	})
}

// bounded keeps a proxy that is stuck from holding up everything: the library's calls know no deadline.
func (e *Edge) bounded(ctx context.Context, what string, do func() error) error {
	ctx, cancel := context.WithTimeout(ctx, toxicTimeout)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("%s: %s: %w", e.Name, what, err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: %s: %w", e.Name, what, context.Cause(ctx))
	}
}
