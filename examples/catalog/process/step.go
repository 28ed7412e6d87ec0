package process

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"example.com/catalog/media"
	"example.com/catalog/messages"
	"example.com/catalog/video"
)

const (
	appendTimeout     = 10 * time.Second
	heartbeatInterval = time.Second
)

// Faults of the stored messages, for an operator to look at.
var (
	errNoCommand = errors.New("there is no command to catalog the video")
	errNoEvent   = errors.New("an event of an earlier step is missing: start the workflow again")
)

// step folds the video's events, and returns nil if the step to a status was done. Otherwise
// the status after which it comes must be reached, and it runs the work and appends the event
// that it returns. If another attempt was faster, its event remains: the append is a repetition of it, or fails with messages.ErrWrongRevision,
// and the next attempt finds it.
func (a *Activities) step(
	ctx context.Context, id string, after, to video.Status, work func(context.Context, video.Video) (video.NewMessage, error),
) error {
	v, err := read(ctx, a.Messages, id)
	if err != nil || v.Reached(to) {
		return classify(err)
	}
	if !v.Reached(after) {
		return classify(errNoEvent)
	}
	m, err := work(ctx, v)
	if err != nil {
		return classify(err)
	}
	// Once the work is done, neither a stop nor a cancellation throws it away.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), appendTimeout)
	defer cancel()
	return a.Messages.Append(ctx, video.Stream(id), messages.After(v.Next), m)
}

// mediaStep is a step that takes long: it sends heartbeats from its beginning to its end, and
// is interrupted when the worker stops.
func (a *Activities) mediaStep(
	ctx context.Context, id string, after, to video.Status,
	work func(context.Context, video.Video, *progress) (video.NewMessage, error),
) error {
	ctx, cancel := untilStopped(ctx)
	defer cancel()
	p := &progress{began: time.Now()}
	go p.report(ctx)
	return a.step(ctx, id, after, to, func(ctx context.Context, v video.Video) (video.NewMessage, error) {
		m, err := work(ctx, v, p)
		if err != nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
			err = fmt.Errorf("%w: %w", errOverdue, err)
		}
		return m, err
	})
}

// progress is how far a step is.
type progress struct {
	began   time.Time
	percent atomic.Int64
}

func (p *progress) set(percent int) { p.percent.Store(int64(percent)) }

// report sends heartbeats until ctx ends. Their response ends ctx when the workflow was
// canceled.
func (p *progress) report(ctx context.Context) {
	ticker := time.NewTicker(heartbeatInterval)
	defer ticker.Stop()
	for {
		activity.RecordHeartbeat(ctx, heartbeat{
			Percent: int(p.percent.Load()), Elapsed: time.Since(p.began).Round(time.Second).String(),
		})
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

var (
	errStopping = errors.New("the worker is stopping")
	errOverdue  = errors.New("the attempt takes too long") // the server's timeout may come first
)

// untilStopped returns a context that ends when the worker begins to stop. A step takes too
// long to wait for: it is begun again elsewhere, or here after the restart.
func untilStopped(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := activity.GetWorkerStopChannel(ctx)
	go func() {
		select {
		case <-stop:
			cancel(errStopping)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// read folds a video's events.
func read(ctx context.Context, messages Reader, id string) (video.Video, error) {
	events, err := messages.Read(ctx, video.Stream(id))
	if err != nil {
		return video.Video{}, err
	}
	return video.Fold(events)
}

// classify returns the failure of a step. An error about the file or a fault of the stored
// messages ends the step, and one that the file may have caused is counted by runStep. All
// others are retried.
func classify(err error) error {
	var unusable *media.Unusable
	switch {
	case errors.As(err, &unusable):
		return temporal.NewApplicationErrorWithOptions(unusable.Detail, unusableFailure, temporal.ApplicationErrorOptions{
			NonRetryable: true,
			Details:      []any{Outcome{Status: video.StatusFailed, Reason: unusable.Reason, Detail: unusable.Detail}},
		})
	case errors.Is(err, media.ErrCrashed), errors.Is(err, errOverdue):
		return temporal.NewApplicationErrorWithOptions(err.Error(), crashFailure, temporal.ApplicationErrorOptions{})
	case isFault(err):
		return temporal.NewNonRetryableApplicationError(err.Error(), "BadStream", nil)
	}
	return err
}

// isFault reports whether an error is one of the stored messages, which another attempt finds
// as they are.
func isFault(err error) bool {
	for _, fault := range []error{errNoCommand, errNoEvent, video.ErrInvalid, messages.ErrTooLarge, messages.ErrDeleted} {
		if errors.Is(err, fault) {
			return true
		}
	}
	return false
}
