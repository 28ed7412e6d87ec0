package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"orderflow/internal/backoff"
	"orderflow/internal/failpoint"
	"orderflow/internal/fulfillment"
	"orderflow/internal/postgres"
	"orderflow/internal/publish"
)

// result is the outcome of publishing a version.
type result string

const (
	resultPublished result = "published" // it is in its stream, perhaps from an earlier attempt
	resultSetAside  result = "set_aside" // it cannot be appended
	resultDeferred  result = "deferred"  // an earlier version of its order is set aside
	resultIgnored   result = "ignored"   // a row of another table
)

// retryBackoff is the backoff between attempts to publish a version.
var retryBackoff = backoff.Exponential{Min: 50 * time.Millisecond, Max: 2 * time.Second}

// versionPublisher appends each version to its stream or sets it aside. It is safe for
// concurrent use by different orders.
type versionPublisher struct {
	publish.Appender
	state   *postgres.PublisherState
	metrics *metrics
	logger  *slog.Logger
	outage  *outage
	tracer  trace.Tracer

	mu             sync.Mutex
	setAsideOrders map[string]bool // may still hold orders that an operator has retried
}

// loadSetAside reads which orders are set aside.
func (vp *versionPublisher) loadSetAside(ctx context.Context) error {
	aside := map[string]bool{}
	for after := ""; ; {
		page, err := vp.state.ListSetAside(ctx, after, 1_000)
		if err != nil {
			return err
		}
		for _, entry := range page {
			aside[entry.OrderID] = true
			after = entry.OrderID
		}
		if len(page) == 0 {
			break
		}
	}
	vp.mu.Lock()
	defer vp.mu.Unlock()
	vp.setAsideOrders = aside
	return nil
}

// publish returns once a version is published, deferred or set aside, however long that
// takes. It returns an error only if ctx has ended.
func (vp *versionPublisher) publish(ctx context.Context, v postgres.Version) error {
	ctx, span := vp.startSpan(ctx, v)
	defer span.End()
	outcome, err := vp.attempt(ctx, v)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		vp.outage.begin()
		defer vp.outage.end()
	}
	for failures := 0; err != nil; failures++ {
		vp.outage.report(err)
		vp.metrics.retries.WithLabelValues(retryVersion).Inc()
		if err := retryBackoff.Wait(ctx, failures); err != nil {
			return err
		}
		outcome, err = vp.attempt(ctx, v)
	}
	vp.metrics.events.WithLabelValues(string(outcome)).Inc()
	span.SetAttributes(attribute.String("orderflow.result", string(outcome)))
	return nil
}

// startSpan starts the span of a version, from its first attempt to its outcome, in the
// trace of its order.
func (vp *versionPublisher) startSpan(ctx context.Context, v postgres.Version) (context.Context, trace.Span) {
	return vp.tracer.Start(v.Trace.Context(ctx), "publish "+v.EventType, trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(
		attribute.String("messaging.system", "kurrentdb"),
		attribute.String("messaging.operation.name", "publish"), attribute.String("messaging.operation.type", "send"),
		attribute.String("messaging.destination.name", fulfillment.Stream(v.OrderID)), attribute.Int64("orderflow.revision", v.Revision),
	))
}

// attempt tries once to publish a version. Its errors are temporary.
func (vp *versionPublisher) attempt(ctx context.Context, v postgres.Version) (result, error) {
	if waits, err := vp.deferIfSetAside(ctx, v); waits || err != nil {
		return resultDeferred, err
	}
	err := vp.Append(ctx, v)
	if errors.Is(err, publish.ErrGap) {
		err = vp.closeGap(ctx, v)
	}
	var refused *publish.Refusal
	if errors.As(err, &refused) {
		return resultSetAside, vp.setAside(ctx, v, refused)
	}
	return resultPublished, err
}

// closeGap appends the missing earlier versions from the history, and then the version
// itself, which may not be visible there yet.
func (vp *versionPublisher) closeGap(ctx context.Context, v postgres.Version) error {
	last, err := vp.Replay(ctx, v.OrderID)
	if err != nil || last >= v.Revision {
		return err
	}
	err = vp.Append(ctx, v)
	if errors.Is(err, publish.ErrGap) {
		return &publish.Refusal{Code: publish.CodeGap, Detail: "earlier versions are neither in the stream nor in the history"}
	}
	return err
}

// deferIfSetAside reports whether a version must wait behind others of its order. If so,
// it is recorded with them.
func (vp *versionPublisher) deferIfSetAside(ctx context.Context, v postgres.Version) (bool, error) {
	vp.mu.Lock()
	setAside := vp.setAsideOrders[v.OrderID]
	vp.mu.Unlock()
	if !setAside {
		return false, nil // no other process sets orders aside
	}
	waits, err := vp.state.ExtendSetAside(ctx, v.OrderID, v.Revision)
	if err == nil && !waits { // an operator's retry has published the order
		vp.mu.Lock()
		delete(vp.setAsideOrders, v.OrderID)
		vp.mu.Unlock()
	}
	return waits, err
}

func (vp *versionPublisher) setAside(ctx context.Context, v postgres.Version, reason *publish.Refusal) error {
	failpoint.Hit("publisher.set-aside.before")
	err := vp.state.SetAside(ctx, postgres.SetAside{OrderID: v.OrderID, Revision: v.Revision, Code: reason.Code, Detail: reason.Detail})
	if err != nil {
		return err
	}
	failpoint.Hit("publisher.set-aside.after")
	vp.logger.ErrorContext(ctx, "version cannot be published: order set aside", "order", v.OrderID, "revision", v.Revision,
		"code", reason.Code, "detail", reason.Detail)
	vp.mu.Lock()
	defer vp.mu.Unlock()
	vp.setAsideOrders[v.OrderID] = true
	return nil
}
