package sweep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"

	"example.com/catalog/messages"
	"example.com/catalog/video"
)

const (
	// Age is how long a file without a message stays: much longer than an append can be on
	// its way.
	Age = 7 * 24 * time.Hour

	interval      = 24 * time.Hour   // between sweeps
	retryInterval = 10 * time.Minute // after a sweep that failed
)

// Files are the files. files.Disk implements it.
type Files interface {
	Location() string // as the messages name it
	Idle(since time.Time) (names []string, err error)
	RemoveIdle(name string, since time.Time) (removed bool, err error)
}

// Messages are the streams. messages.Store implements it, with a deadline for each call.
type Messages interface {
	Read(ctx context.Context, stream string) ([]video.Message, error)
}

// Sweeper removes orphaned files.
type Sweeper struct {
	Files    Files
	Messages Messages
	Logger   *slog.Logger

	removed, failures atomic.Int64
}

// Measure registers the sweeper's metrics. Prometheus shows them with the suffix _total.
func (s *Sweeper) Measure(provider metric.MeterProvider) error {
	meter := provider.Meter("example.com/catalog/sweep")
	removed, err := meter.Int64ObservableCounter("catalog_sweep_removed",
		metric.WithDescription("Files that no message named, and that were removed."))
	if err != nil {
		return err
	}
	failures, err := meter.Int64ObservableCounter("catalog_sweep_failures",
		metric.WithDescription("Sweeps that failed, each followed by a retry."))
	if err != nil {
		return err
	}
	_, err = meter.RegisterCallback(func(_ context.Context, observer metric.Observer) error {
		observer.ObserveInt64(removed, s.removed.Load())
		observer.ObserveInt64(failures, s.failures.Load())
		return nil
	}, removed, failures)
	return err
}

// Run sweeps now and once a day until ctx ends, and then returns nil. A sweep that fails
// is retried after 10 minutes.
func (s *Sweeper) Run(ctx context.Context) error {
	for {
		delay := interval
		if err := s.Sweep(ctx, time.Now()); err != nil && ctx.Err() == nil {
			delay = retryInterval
			s.failures.Add(1)
			s.Logger.Warn("retrying sweep of files", "delay", delay, "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(delay):
		}
	}
}

// Sweep removes the orphaned files that are older than Age at a time. It returns the first
// error, after which the next sweep continues.
func (s *Sweeper) Sweep(ctx context.Context, now time.Time) error {
	since := now.Add(-Age)
	idle, err := s.Files.Idle(since)
	if err != nil {
		return err
	}
	var orphans []string
	known := false // the event store knows one of the files
	for _, name := range idle {
		switch found, err := s.judge(ctx, name); {
		case err != nil:
			return fmt.Errorf("look for messages about file %q: %w", name, err)
		case found == orphaned:
			orphans = append(orphans, name)
		case found == named:
			known = true
		}
	}
	if len(orphans) > 0 && !known {
		s.Logger.Warn("removing no file: the event store knows none of them", "orphans", len(orphans))
		return nil
	}
	return s.remove(orphans, since)
}

func (s *Sweeper) remove(orphans []string, since time.Time) error {
	for _, name := range orphans {
		removed, err := s.Files.RemoveIdle(name, since)
		if err != nil {
			return err
		}
		if removed {
			s.removed.Add(1)
			s.Logger.Info("removed orphaned file", "file", name)
		}
	}
	return nil
}

// verdict is what the messages about a file mean for it.
type verdict int

const (
	unknown  verdict = iota // it is not a file of the catalog, or a later sweep decides
	named                   // there are messages about its video, and it stays
	orphaned                // no message names it, and none will
)

// judge reads the messages about a file's video. If it cannot decode them, the file stays.
func (s *Sweeper) judge(ctx context.Context, name string) (verdict, error) {
	id, ok := video.OwnerOf(name)
	if !ok {
		return unknown, nil
	}
	decide := s.judgeUpload
	if name == video.TranscodedName(id) {
		decide = s.judgeTranscoded
	}
	found, err := decide(ctx, id)
	if errors.Is(err, messages.ErrDeleted) || errors.Is(err, messages.ErrTooLarge) {
		return unknown, nil
	}
	return found, err
}

// judgeUpload takes any message about a video for one that names its upload: an invalid
// command may be followed by a corrected one. A form that was sent to two machines leaves a
// file on each, of which the command names one.
func (s *Sweeper) judgeUpload(ctx context.Context, id string) (verdict, error) {
	for _, stream := range []string{video.CommandStream(id), video.Stream(id)} {
		found, err := s.Messages.Read(ctx, stream)
		if err != nil {
			return unknown, err
		}
		if _, c, ok := video.FindCommand(found); ok && c.Upload.Location != "" && c.Upload.Location != s.Files.Location() {
			return orphaned, nil
		}
		if len(found) > 0 {
			return named, nil
		}
	}
	return orphaned, nil
}

// judgeTranscoded decides about the file that was made for a video. Its event may be
// appended until the video has ended.
func (s *Sweeper) judgeTranscoded(ctx context.Context, id string) (verdict, error) {
	events, err := s.Messages.Read(ctx, video.Stream(id))
	if err != nil || len(events) == 0 {
		return unknown, err
	}
	v, err := video.Fold(events)
	if err == nil && v.Status.Ended() && v.Transcoded.File.Name == "" {
		return orphaned, nil
	}
	return named, nil
}
