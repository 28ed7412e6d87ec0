package bridge

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"go.temporal.io/sdk/temporal"

	"orderflow/internal/kurrent"
)

// All is the stream of a Subscription to every event of the server.
const All = kurrent.All

// Subscription names a group of a persistent subscription, and its settings. The bridge
// creates the group if it is missing. It never changes an existing one, and does not join
// one whose settings lose events.
type Subscription struct {
	// Stream is a stream of links such as "$ce-invoice", which holds the events of all
	// streams whose name begins with "invoice-", any other stream, or All.
	Stream string
	Group  string

	// MessageTimeout is how long the server waits for an acknowledgment before it delivers
	// an event again, in whole milliseconds: 4 minutes by default, at least 1 s, at most
	// 1 h.
	MessageTimeout time.Duration

	// BufferSize is about how many events all bridges of the group together work on at
	// once, from 1 to 10,000: 64 by default. The server keeps no more in memory for them.
	BufferSize int

	// Filter selects the events of All, when the group is created.
	Filter Filter
}

// Filter selects events of All by the prefixes of their types or of their streams, not of
// both. The zero value selects all but the server's own events. A filter never changes,
// and no server shows the one that a group has: for another filter, create another group.
type Filter struct {
	TypePrefixes   []string
	StreamPrefixes []string
}

// Options are what a Bridge needs. KurrentDB, Router.Temporal, Router.Routes and
// Subscription are required.
type Options struct {
	KurrentDB    *KurrentDB
	Router       *Router
	Subscription Subscription

	// SearchAttributes are those that starts set; the values do not matter. The bridge is
	// not ready on a namespace without them.
	SearchAttributes temporal.SearchAttributes

	// Concurrency is how many events are handled at once, from 1 to 1024: 16 by default.
	// Four times as many may wait besides, without holding up others. A start takes some
	// milliseconds, so the default allows a thousand a second. More than Temporal works
	// on at once wait there, and the tasks of running workflows wait behind them.
	Concurrency int

	// UpdateConcurrency is how many updates are in progress at once. They depend on
	// workers, so they have slots of their own: as many as Concurrency by default.
	UpdateConcurrency int

	// DrainTimeout is how long Run finishes events after its context ended: 20 s by
	// default.
	DrainTimeout time.Duration

	// HoldTimeout is how long an event that cannot take effect is held before it is
	// returned to the server: half of the message timeout by default. With more, the server
	// may deliver it to another consumer meanwhile, and its effect is attempted twice.
	HoldTimeout time.Duration

	// ProbeInterval is how often the server is asked about a subscription that delivers
	// nothing: 30 s by default. The second answer in a row that there are events ends it.
	ProbeInterval time.Duration

	// InspectInterval is how often the group's settings and the category's projection are
	// checked: a minute by default.
	InspectInterval time.Duration

	// MeasureInterval is how often the group's state is read for the metrics: 15 s by
	// default. Values older than a minute are not exported.
	MeasureInterval time.Duration

	// RefusalSpan is how long Temporal must refuse an event before it is parked: 75 s by
	// default. A server may validate search attributes against a cache that is a minute
	// old, and refuse good events for that long.
	RefusalSpan time.Duration

	Logger         *slog.Logger         // nil logs nothing
	MeterProvider  metric.MeterProvider // nil measures nothing
	TracerProvider trace.TracerProvider // nil traces nothing
}

// The limits of Options.
const (
	maxConcurrency    = 1024
	minMessageTimeout = time.Second
	maxMessageTimeout = time.Hour
)

// waitingRoom is how many events may wait without holding up others, besides updates.
func (o Options) waitingRoom() int { return 4 * o.Concurrency }

// waitingUpdates is how many updates may do so.
func (o Options) waitingUpdates() int { return 2 * o.UpdateConcurrency }

func (o Options) withDefaults() Options {
	o.Subscription = o.Subscription.withDefaults()
	o.Concurrency = cmp.Or(o.Concurrency, 16)
	o.UpdateConcurrency = cmp.Or(o.UpdateConcurrency, o.Concurrency)
	o.DrainTimeout = cmp.Or(o.DrainTimeout, 20*time.Second)
	o.HoldTimeout = cmp.Or(o.HoldTimeout, o.Subscription.MessageTimeout/2)
	o.ProbeInterval = cmp.Or(o.ProbeInterval, 30*time.Second)
	o.InspectInterval = cmp.Or(o.InspectInterval, time.Minute)
	o.MeasureInterval = cmp.Or(o.MeasureInterval, 15*time.Second)
	o.RefusalSpan = cmp.Or(o.RefusalSpan, attributesCached+retryBackoff.Max)
	o.Logger = loggerOr(o.Logger)
	if o.Router != nil && o.Router.Logger == nil {
		router := *o.Router
		router.Logger = o.Logger
		o.Router = &router
	}
	if o.MeterProvider == nil {
		o.MeterProvider = metricnoop.NewMeterProvider()
	}
	if o.TracerProvider == nil {
		o.TracerProvider = tracenoop.NewTracerProvider()
	}
	return o
}

// check returns an error that names every option that is missing or out of range.
func (o Options) check() error {
	var faults []error
	fault := func(wrong bool, format string, args ...any) {
		if wrong {
			faults = append(faults, fmt.Errorf("bridge: "+format, args...))
		}
	}
	fault(o.KurrentDB == nil || o.KurrentDB.client == nil, "KurrentDB is missing: it comes from Connect")
	if fault(o.Router == nil, "Router is missing"); o.Router != nil {
		fault(o.Router.Temporal == nil, "Router.Temporal is missing")
		fault(len(o.Router.Routes) == 0, "Router.Routes is empty: every event would be acknowledged without effect")
		for eventType, route := range o.Router.Routes {
			fault(route == nil, "Router.Routes[%q] is nil", eventType)
		}
	}
	timeout := o.Subscription.MessageTimeout
	fault(timeout < minMessageTimeout || timeout > maxMessageTimeout, "Subscription.MessageTimeout must be from %s to %s", minMessageTimeout, maxMessageTimeout)
	fault(strings.HasPrefix(o.Subscription.Stream, "$$"), "Subscription.Stream must not hold the metadata of another")
	if err := o.Subscription.settings().Validate(); err != nil {
		fault(true, "Subscription: %w", err)
	}
	fault(o.Concurrency < 1 || o.Concurrency > maxConcurrency, "Concurrency must be from 1 to %d", maxConcurrency)
	fault(o.UpdateConcurrency < 1 || o.UpdateConcurrency > maxConcurrency, "UpdateConcurrency must be from 1 to %d", maxConcurrency)
	for name, d := range map[string]time.Duration{
		"DrainTimeout": o.DrainTimeout, "HoldTimeout": o.HoldTimeout, "ProbeInterval": o.ProbeInterval,
		"InspectInterval": o.InspectInterval, "MeasureInterval": o.MeasureInterval, "RefusalSpan": o.RefusalSpan,
	} {
		fault(d < 0, "%s must not be negative", name)
	}
	return errors.Join(faults...)
}

func (s Subscription) withDefaults() Subscription {
	s.MessageTimeout = cmp.Or(s.MessageTimeout, 4*time.Minute)
	s.BufferSize = cmp.Or(s.BufferSize, 64)
	return s
}

// settings returns the settings that the group should have.
func (s Subscription) settings() kurrent.GroupSettings {
	s = s.withDefaults()
	return kurrent.GroupSettings{
		Stream: s.Stream, Group: s.Group, MessageTimeout: s.MessageTimeout, BufferSize: s.BufferSize, Filter: kurrent.Filter(s.Filter),
	}
}
