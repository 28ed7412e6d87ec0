package view

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"example.com/catalog/video"
)

// start is the position before the first message.
const start int64 = -1

// errReset is returned if the position is before what this replica has handled: the
// tables were truncated or restored.
var errReset = errors.New("position was set back")

// begin begins the transaction of a message. A replica that is frozen in the middle of
// one would hold up the others, so the server ends it then.
const begin = `BEGIN; SET LOCAL idle_in_transaction_session_timeout = '5s'`

// subscription applies the messages of a category.
type subscription struct {
	pool     *pgxpool.Pool
	category string
	// aggregate applies a message to the rows. It returns video.ErrInvalid for a message that
	// cannot be applied, before it changes any.
	aggregate        func(context.Context, pgx.Tx, video.Message) error
	retries, skipped atomic.Int64
}

// follow applies messages from the stored position on, until the first error. It reports
// whether it handled any.
func (s *subscription) follow(ctx context.Context, store Subscriber, logger *slog.Logger) (progress bool, err error) {
	handled, err := s.position(ctx)
	if err != nil {
		return false, err
	}
	var after *uint64
	if handled != start {
		last := uint64(handled)
		after = &last
	}
	err = store.Subscribe(ctx, s.category, after, func(ctx context.Context, m video.Message) (err error) {
		handled, err = s.handle(ctx, handled, m, logger)
		progress = progress || err == nil
		return err
	})
	return progress, err
}

// position returns the position of the last message that was applied.
func (s *subscription) position(ctx context.Context) (position int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err = s.pool.QueryRow(ctx, `INSERT INTO positions (subscription, position) VALUES ($1, $2)
		ON CONFLICT (subscription) DO UPDATE SET position = positions.position
		RETURNING position`, s.category, start).Scan(&position)
	return position, err
}

// handle applies the message that follows those up to handled, unless another replica
// has. It returns the position up to which messages are handled then.
func (s *subscription) handle(
	ctx context.Context, handled int64, m video.Message, logger *slog.Logger,
) (reached int64, err error) {
	if int64(m.Position) <= handled {
		return handled, nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var skip error
	err = pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{BeginQuery: begin}, func(tx pgx.Tx) (err error) {
		reached, skip, err = s.apply(ctx, tx, handled, m)
		return err
	})
	if err != nil { // it may be committed all the same: the stored position says so
		return handled, err
	}
	if skip != nil {
		s.skipped.Add(1)
		logger.Warn("skipping message", "stream", m.Stream, "revision", m.Revision, "type", m.Type, "error", skip)
	}
	return reached, nil
}

// apply applies a message and moves the position to it, unless another replica has. It
// returns the stored position then, and why the message was skipped, if it was.
func (s *subscription) apply(
	ctx context.Context, tx pgx.Tx, handled int64, m video.Message,
) (reached int64, skip, err error) {
	stored, err := s.lock(ctx, tx)
	switch {
	case err != nil:
		return handled, nil, err
	case stored < handled:
		return handled, nil, errReset
	case stored >= int64(m.Position):
		return stored, nil, nil
	}
	if skip = s.aggregate(ctx, tx, m); skip != nil && !errors.Is(skip, video.ErrInvalid) {
		return handled, nil, skip
	}
	_, err = tx.Exec(ctx, `UPDATE positions SET position = $2 WHERE subscription = $1`, s.category, int64(m.Position))
	return int64(m.Position), skip, err
}

// lock returns the stored position, and keeps other replicas from moving it until the
// transaction ends.
func (s *subscription) lock(ctx context.Context, tx pgx.Tx) (stored int64, err error) {
	err = tx.QueryRow(ctx, `SELECT position FROM positions WHERE subscription = $1 FOR UPDATE`, s.category).Scan(&stored)
	if errors.Is(err, pgx.ErrNoRows) {
		err = errReset
	}
	return stored, err
}
