package rig

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	"orderflow/dev/devserver"
)

// promoteTimeout bounds a failover from the moment the primary is dead: it is never left
// half done.
const promoteTimeout = time.Minute

// Interval is a span of time.
type Interval struct{ From, To time.Time }

// Failover makes PostgreSQL lose its last commits: a standby is created, cut off, and
// promoted after a while in place of the primary, which dies. Clients find it at the
// primary's address. The replication slots of the primary are lost.
func (r *Rig) Failover(ctx context.Context, lag time.Duration) error {
	p := r.processes[Postgres]
	p.fault.Lock()
	defer p.fault.Unlock()
	if err := p.await(ctx, func() bool { return p.current != nil }); err != nil {
		return err
	}
	link, err := newAlias(devserver.Loopback(0), r.addresses[Postgres])
	if err != nil {
		return fmt.Errorf("replicate: %w", err)
	}
	defer link.Close()
	standby, err := r.startStandby(ctx, link.Addr())
	if err != nil {
		return err
	}
	r.change(func() { r.lost = append(r.lost, Interval{From: time.Now()}) })
	link.Close()
	rest(ctx, lag)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), promoteTimeout)
	defer cancel()
	running := p.running()
	p.change(func() { p.wanted, p.asked = false, true })
	if running != nil {
		running.Signal(p.deadly())
	}
	if err := p.await(ctx, func() bool { return p.current == nil && !p.begun }); err != nil {
		return err
	}
	if err := errors.Join(standby.Promote(ctx), standby.Stop(ctx)); err != nil {
		return fmt.Errorf("promote the standby: %w", err)
	}
	r.change(func() {
		r.cluster = standby.dir
		r.lost[len(r.lost)-1].To = time.Now()
	})
	p.change(func() { p.wanted = true })
	return p.AwaitReady(ctx)
}

// LeadToStandby points the clients' address for PostgreSQL to a read-only standby for a
// while, and back. Connections that clients opened meanwhile stay open, to a standby that
// keeps responding.
func (r *Rig) LeadToStandby(ctx context.Context, d time.Duration) error {
	standby, err := r.follow(ctx)
	if err != nil {
		return err
	}
	r.clients.Lead(standby.address)
	r.clients.Cut()
	rest(ctx, d)
	r.clients.Lead(r.addresses[Postgres])
	return nil
}

// follow creates a standby that lives until the rig stops.
func (r *Rig) follow(ctx context.Context) (*standby, error) {
	p := r.processes[Postgres]
	p.fault.Lock() // a server that dies meanwhile cannot be copied
	defer p.fault.Unlock()
	if err := p.await(ctx, func() bool { return p.current != nil }); err != nil {
		return nil, err
	}
	s, err := r.startStandby(ctx, r.addresses[Postgres])
	if err != nil {
		return nil, err
	}
	r.change(func() { r.standbys = append(r.standbys, s) })
	return s, nil
}

// standby is a copy of PostgreSQL that follows it.
type standby struct {
	*devserver.Postgres
	dir     string
	address string
}

// startStandby copies the running server; the copy follows it at an address.
func (r *Rig) startStandby(ctx context.Context, primary string) (*standby, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	var number int
	r.change(func() {
		r.copies++
		number = r.copies
	})
	title := fmt.Sprintf("%s-standby-%d", Postgres, number)
	s := &standby{dir: filepath.Join(r.options.Dir, title)}
	var err error
	s.Postgres, err = devserver.StartPostgres(ctx, devserver.PostgresOptions{
		Dir: s.dir, LogFile: r.Log(title), StandbyOf: r.databaseURL(primary),
	})
	if err != nil {
		return nil, fmt.Errorf("make a standby: %w", err)
	}
	own, err := url.Parse(s.URL)
	if err != nil {
		return nil, errors.Join(err, s.Stop(ctx))
	}
	s.address = own.Host
	return s, nil
}

// Lost returns when PostgreSQL lost its commits: those made in one of these spans may be
// gone, and perhaps the ones just before. A span without an end belongs to a failover in
// progress.
func (r *Rig) Lost() []Interval {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Interval(nil), r.lost...)
}

// primary returns the folder of the server that accepts writes.
func (r *Rig) primary() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cluster
}

func (r *Rig) stopStandbys(ctx context.Context) error {
	var errs []error
	for _, s := range r.standbys {
		errs = append(errs, s.Stop(ctx))
	}
	return errors.Join(errs...)
}

func (r *Rig) change(alter func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	alter()
}
