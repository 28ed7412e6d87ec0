package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// toxicTimeout bounds adding a toxic to the connections of an edge and removing it. An
// edge in front of a paused process waits for it.
const toxicTimeout = 30 * time.Second

const (
	startPatience = 5 * time.Second
	startAgain    = 10 * time.Millisecond
)

// stopTimeout bounds the end of a proxy that is not stuck.
const stopTimeout = 3 * time.Second

// Toxic is what an edge does to the bytes that pass it, in Toxiproxy's terms.
type Toxic struct {
	Name       string         `json:"name"` // unique within an edge
	Type       string         `json:"type"` // latency, bandwidth, timeout, limit_data, reset_peer
	Stream     string         `json:"stream"`
	Attributes map[string]int `json:"attributes"`
}

// The directions of a Toxic: requests go upstream, responses go downstream.
const (
	Upstream   = "upstream"
	Downstream = "downstream"
)

// Edge is the connection path from one process to one store, or from clients to an api.
type Edge struct {
	Name string // such as worker-1/postgres
	From string // the process, or Client
	To   string // the store or the api

	renew func() *toxiproxy.Proxy

	mu    sync.Mutex // held while opening, closing and replacing
	proxy *toxiproxy.Proxy
	open  bool
}

func newEdge(server *toxiproxy.ApiServer, from, to, listen, upstream string) *Edge {
	name := from + "/" + to
	renew := func() *toxiproxy.Proxy { return toxiproxy.NewProxy(server, name, listen, upstream) }
	return &Edge{Name: name, From: from, To: to, renew: renew, proxy: renew()}
}

// newProxies returns what the proxies share. They log nothing, because they only follow
// the run's commands. Some of them log through the library's global logger, regardless of
// the logger they receive.
func newProxies() *toxiproxy.ApiServer {
	zerolog.SetGlobalLevel(zerolog.Disabled)
	return toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
}

// Open lets connections through.
func (e *Edge) Open() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.start()
}

// start listens. While a process is being started it holds a copy of every listener until
// it executes its program, so the port of a listener closed meanwhile stays in use for
// that moment.
func (e *Edge) start() error {
	again := time.NewTicker(startAgain)
	defer again.Stop()
	err := e.proxy.Start()
	for end := time.Now().Add(startPatience); errors.Is(err, syscall.EADDRINUSE) && time.Now().Before(end); err = e.proxy.Start() {
		<-again.C
	}
	if err != nil && !errors.Is(err, toxiproxy.ErrProxyAlreadyStarted) {
		return fmt.Errorf("open %s: %w", e.Name, err)
	}
	e.open = true
	return nil
}

// Close ends every connection and refuses new ones, like a store that is down.
func (e *Edge) Close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stop()
}

// stop ends the proxy. A stuck proxy no longer listens after that but may never end, so
// it is replaced.
func (e *Edge) stop() {
	e.open = false
	proxy, stopped := e.proxy, make(chan struct{})
	go func() {
		defer close(stopped)
		proxy.Stop()
	}()
	select {
	case <-stopped:
	case <-time.After(stopTimeout):
		e.proxy = e.renew()
	}
}

// replace replaces a stuck proxy, unless that has been done.
func (e *Edge) replace(stuck *toxiproxy.Proxy) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.proxy != stuck {
		return nil
	}
	open := e.open
	e.stop()
	if e.proxy == stuck {
		e.proxy = e.renew()
	}
	if !open {
		return nil
	}
	return e.start()
}

func (e *Edge) current() *toxiproxy.Proxy {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.proxy
}

// Add adds a toxic to all open and future connections.
func (e *Edge) Add(ctx context.Context, t Toxic) error {
	body, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("toxic %s: %w", t.Name, err)
	}
	return e.bounded(ctx, "add "+t.Name, func(proxy *toxiproxy.Proxy) error {
		_, err := proxy.Toxics.AddToxicJson(bytes.NewReader(body))
		return err
	})
}

// Remove removes a toxic. Removing a timeout ends the connections it was on.
func (e *Edge) Remove(ctx context.Context, name string) error {
	return e.bounded(ctx, "remove "+name, func(proxy *toxiproxy.Proxy) error {
		err := proxy.Toxics.RemoveToxic(ctx, name)
		if errors.Is(err, toxiproxy.ErrToxicNotFound) {
			return nil // it was removed with a stuck proxy
		}
		return err
	})
}

// Heal removes all toxics.
func (e *Edge) Heal(ctx context.Context) error {
	return e.bounded(ctx, "heal", func(proxy *toxiproxy.Proxy) error {
		proxy.Toxics.ResetToxics(ctx)
		return nil
	})
}

// bounded prevents a stuck proxy from blocking everything: the library's calls have no
// deadline. Adding or removing a toxic while a connection ends can wait indefinitely for
// that connection, and then the proxy accepts no further call. A new proxy does as well;
// it only loses that toxic.
func (e *Edge) bounded(ctx context.Context, what string, do func(proxy *toxiproxy.Proxy) error) error {
	proxy, done := e.current(), make(chan error, 1)
	go func() { done <- do(proxy) }()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("%s: %s: %w", e.Name, what, err)
		}
		return nil
	case <-time.After(toxicTimeout):
		return e.replace(proxy)
	case <-ctx.Done():
		return fmt.Errorf("%s: %s: %w", e.Name, what, context.Cause(ctx))
	}
}
