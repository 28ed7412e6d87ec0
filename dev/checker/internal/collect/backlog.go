package collect

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// publishWait is how long a publisher may take to publish the rest, including the time to
// give up a connection.
const publishWait = 30 * time.Second

// backlog waits until as many versions are published as the history has, or until
// publishWait has passed: versions that are then missing are lost.
func (r *reader) backlog(ctx context.Context) error {
	if !r.sources.Publisher {
		return nil
	}
	client, err := r.kurrentClient()
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	connection, err := pgx.Connect(ctx, r.sources.PostgresURL)
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close(context.WithoutCancel(ctx)) }()
	giveUp := time.NewTimer(publishWait)
	defer giveUp.Stop()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		var versions uint64
		if err := connection.QueryRow(ctx, `SELECT count(*) FROM order_fulfillment_history`).Scan(&versions); err != nil {
			return err
		}
		published, err := categoryLength(ctx, client, "$ce-fulfillment")
		if err != nil || published >= versions {
			return err
		}
		select {
		case <-tick.C:
		case <-giveUp.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// categoryLength returns how many events a category has had.
func categoryLength(ctx context.Context, client *kurrentdb.Client, stream string) (uint64, error) {
	events, err := client.ReadStream(ctx, stream, kurrentdb.ReadStreamOptions{Direction: kurrentdb.Backwards, From: kurrentdb.End{}}, 1)
	if err != nil {
		return 0, err
	}
	defer events.Close()
	last, err := events.Recv()
	failure, ok := errors.AsType[*kurrentdb.Error](err)
	switch {
	case errors.Is(err, io.EOF), ok && failure.Code() == kurrentdb.ErrorCodeResourceNotFound:
		return 0, nil
	case err != nil:
		return 0, err
	default:
		return last.OriginalEvent().EventNumber + 1, nil
	}
}
