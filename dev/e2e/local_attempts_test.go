package e2e_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/workflow"
)

// localAttempts is what becomes of the local attempts of a steppedWorker. Only one that
// succeeds is a step of the order.
type localAttempts string

const (
	attemptsSucceed   localAttempts = "that succeed"
	attemptsAsShipped localAttempts = "as shipped"      // with the timeout of the product
	attemptsFail      localAttempts = "that fail"       // at once, as in an outage
	attemptsTimeOut   localAttempts = "that time out"   // after they have written
	attemptsWriteLate localAttempts = "that write late" // they time out, and write what they were to write later
)

// shortAttempt is the timeout of the attempts that are to time out.
const shortAttempt = 20 * time.Millisecond

// timeout returns the timeout of a local attempt. One that succeeds may be held up by the
// test for as long as it likes.
func (a localAttempts) timeout() time.Duration {
	if a == attemptsTimeOut || a == attemptsWriteLate {
		return shortAttempt
	}
	return patience
}

// ExecuteLocalActivity changes the timeout of local attempts.
func (d *outboundInterceptor) ExecuteLocalActivity(ctx workflow.Context, name string, args ...any) workflow.Future {
	options := workflow.GetLocalActivityOptions(ctx)
	if d.worker.attempts == attemptsAsShipped {
		return d.Next.ExecuteLocalActivity(ctx, name, args...)
	}
	options.StartToCloseTimeout, options.ScheduleToCloseTimeout = d.worker.attempts.timeout(), d.worker.attempts.timeout()
	return d.Next.ExecuteLocalActivity(workflow.WithLocalActivityOptions(ctx, options), name, args...)
}

// InterceptActivity inserts an attemptInterceptor.
func (d *workflowInterceptor) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &attemptInterceptor{ActivityInboundInterceptorBase: interceptor.ActivityInboundInterceptorBase{Next: next}, worker: d.worker}
}

type attemptInterceptor struct {
	interceptor.ActivityInboundInterceptorBase
	worker *steppedWorker
}

// ExecuteActivity makes local attempts take the course that the test asks for.
func (a *attemptInterceptor) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	a.worker.awaitPlaced()
	info := activity.GetInfo(ctx)
	if !info.IsLocalActivity {
		return a.Next.ExecuteActivity(ctx, in)
	}
	write := func() { _, _ = a.Next.ExecuteActivity(context.WithoutCancel(ctx), in) }
	switch a.worker.attempts {
	case attemptsAsShipped:
		return a.Next.ExecuteActivity(ctx, in)
	case attemptsFail:
		return nil, errors.New("connection refused")
	case attemptsTimeOut:
		write()
		<-ctx.Done()
		return nil, ctx.Err()
	case attemptsWriteLate:
		a.worker.late.add(write)
		<-ctx.Done()
		return nil, ctx.Err()
	default:
		result, err := a.Next.ExecuteActivity(ctx, in)
		a.worker.gate.holdAttempt(ctx, info.ActivityType.Name)
		return result, err
	}
}

// lateWrites are what local attempts that timed out still write.
type lateWrites struct {
	mu     sync.Mutex
	writes []func()
}

func (l *lateWrites) add(write func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writes = append(l.writes, write)
}

// writeAll makes the writes so far, in the order of their attempts.
func (l *lateWrites) writeAll() {
	l.mu.Lock()
	writes := l.writes
	l.writes = nil
	l.mu.Unlock()
	for _, write := range writes {
		write()
	}
}
