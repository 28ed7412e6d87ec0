package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"orderflow/internal/fulfillment"
)

var (
	// ErrSlotLost means that a slot does not exist, or cannot continue from its position:
	// what it had to send is gone.
	ErrSlotLost = errors.New("replication slot is lost")

	// ErrSlotBusy means that another reader uses the slot.
	ErrSlotBusy = errors.New("replication slot is in use")

	// ErrMayNotReplicate means that the role lacks the attribute REPLICATION.
	ErrMayNotReplicate = errors.New("the role may not replicate: a superuser must grant it the attribute REPLICATION")

	// ErrNoSlotsLeft means that the server has no room for another slot or another
	// reader.
	ErrNoSlotsLeft = errors.New("the server's max_replication_slots or max_wal_senders is used up")
)

// Replication is a replication connection that reads the log through a logical slot.
// While it is open, a lock excludes every other Replication on the same slot. It is not
// safe for concurrent use.
type Replication struct {
	System System

	conn     *pgconn.PgConn
	version  int // of the server, as server_version_num
	slot     string
	timeout  time.Duration // of one request
	silence  time.Duration // the server disconnects a reader that sends nothing for so long; 0: never
	decoder  decoder
	received LSN
}

// OpenReplication connects, and reads which server it is connected to.
func (p *Publication) OpenReplication(ctx context.Context, slot string) (*Replication, error) {
	ctx, cancel := p.pool.withDeadline(ctx)
	defer cancel()
	conn, err := pgconn.ConnectConfig(ctx, p.replicationConfig())
	if err != nil {
		return nil, describeReplication("connect for replication", err)
	}
	r := &Replication{conn: conn, slot: slot, timeout: p.pool.config.CallTimeout, decoder: newDecoder()}
	if err := r.identify(ctx); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// replicationConfig returns the pool's settings, because the pool understands more in a
// URL than the driver does, adapted for a replication connection. It may be idle for
// long. The server must notice soon when it ends, because the next reader waits for that.
func (p *Publication) replicationConfig() *pgconn.Config {
	settings := p.pool.renew.opened.Copy()
	p.pool.renew.apply(settings)
	limitConnecting(settings, p.pool.config.CallTimeout)
	nameApplication(settings, p.pool.config.ApplicationName)
	for name, value := range map[string]string{
		isolationSetting: requiredIsolation, schemaSetting: requiredSchema, zoneSetting: requiredZone,
		"replication": "database", "datestyle": "ISO", "idle_session_timeout": "0", "statement_timeout": "0", "lock_timeout": "0",
		"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "4",
	} {
		settings.RuntimeParams[name] = value
	}
	return &settings.Config
}

func (r *Replication) identify(ctx context.Context) error {
	system, err := pglogrepl.IdentifySystem(ctx, r.conn)
	if err != nil {
		return describeReplication("identify server", err)
	}
	r.System = System{ID: system.SystemID, Timeline: system.Timeline}
	silence, err := r.queryValue(ctx, `SELECT setting FROM pg_settings WHERE name = 'wal_sender_timeout'`)
	if err != nil {
		return err
	}
	milliseconds, err := strconv.ParseInt(silence, 10, 64)
	if err != nil {
		return err
	}
	r.silence = time.Duration(milliseconds) * time.Millisecond
	version, err := r.queryValue(ctx, `SELECT setting FROM pg_settings WHERE name = 'server_version_num'`)
	if err != nil {
		return err
	}
	r.version, err = strconv.Atoi(version)
	return err
}

// FailsOver reports whether the server can copy slots to its standbys, as PostgreSQL 17
// and newer can.
func (r *Replication) FailsOver() bool { return r.version >= 17_00_00 }

// Silence returns how long the server waits for a message of its reader before it
// disconnects; 0 means without limit.
func (r *Replication) Silence() time.Duration { return r.silence }

// Acquire tries to take the lock on the slot, and reports whether it did. The lock is
// held until the connection ends.
func (r *Replication) Acquire(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	got, err := r.queryValue(ctx, fmt.Sprintf(`SELECT pg_try_advisory_lock(hashtextextended(%s, 0))`, literal("orderflow publisher "+r.slot)))
	return got == "t", err
}

// queryValue runs a statement and returns the single value of its result. A replication
// connection does not support parameters.
func (r *Replication) queryValue(ctx context.Context, sql string) (string, error) {
	results, err := r.conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		return "", describeReplication("query", err)
	}
	last := results[len(results)-1]
	if len(last.Rows) == 0 {
		return "", nil
	}
	return string(last.Rows[0][0]), nil
}

// CreateSlot creates the slot, with failover if the server supports it. The server first
// waits for the transactions that are under way, however long they take; only ctx bounds
// the wait.
func (r *Replication) CreateSlot(ctx context.Context) error {
	options := "NOEXPORT_SNAPSHOT"
	if r.FailsOver() {
		options = "(SNAPSHOT 'nothing', FAILOVER)"
	}
	_, err := r.conn.Exec(ctx, fmt.Sprintf(`CREATE_REPLICATION_SLOT %s LOGICAL %s %s`,
		pgx.Identifier{r.slot}.Sanitize(), decoderPlugin, options)).ReadAll()
	return describeReplication("create slot", err)
}

// EnableFailover makes the server copy an existing slot to its standbys. FailsOver must
// be true, and the server waits while the slot is active.
func (r *Replication) EnableFailover(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	_, err := r.conn.Exec(ctx, `ALTER_REPLICATION_SLOT `+pgx.Identifier{r.slot}.Sanitize()+` (FAILOVER)`).ReadAll()
	return describeReplication("enable failover of slot", err)
}

// DropSlot removes a slot that is lost.
func (r *Replication) DropSlot(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	_, err := r.conn.Exec(ctx, `DROP_REPLICATION_SLOT `+pgx.Identifier{r.slot}.Sanitize()).ReadAll()
	return describeReplication("drop slot", err)
}

// Start begins to read after the confirmed position. After Start, only Receive, Report,
// Stop and Close may be called.
func (r *Replication) Start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	err := pglogrepl.StartReplication(ctx, r.conn, pgx.Identifier{r.slot}.Sanitize(), 0, pglogrepl.StartReplicationOptions{
		Mode: pglogrepl.LogicalReplication,
		PluginArgs: []string{
			"proto_version " + literal(decoderVersion), "publication_names " + literal(publicationName),
		},
	})
	return describeReplication("start replication", err)
}

// Receive waits for the next message. If ctx ends, it returns the error of ctx and the
// connection stays usable; after any other error the connection must not be used.
func (r *Replication) Receive(ctx context.Context) (Change, error) {
	for {
		message, err := r.conn.ReceiveMessage(ctx)
		if err != nil && pgconn.Timeout(err) && ctx.Err() != nil && !r.conn.IsClosed() {
			return Change{}, ctx.Err()
		}
		if err != nil {
			return Change{}, describeReplication("read log", err)
		}
		switch message := message.(type) {
		case *pgproto3.CopyData:
			change, known, err := r.decoder.read(message.Data)
			if err != nil {
				return Change{}, fmt.Errorf("read log: %w", err)
			}
			if known {
				r.received = max(r.received, change.Reached)
				return change, nil
			}
		case *pgproto3.ErrorResponse:
			return Change{}, describeDecoding(pgconn.ErrorResponseToPgError(message))
		case *pgproto3.CopyDone:
			return Change{}, describeReplication("read log", errStreamEnded)
		}
	}
}

var errStreamEnded = errors.New("the server ended the stream")

// Report confirms to the server that the reader is alive, and below which position
// nothing needs to be sent again.
func (r *Replication) Report(confirmed LSN) error {
	update := pglogrepl.StandbyStatusUpdate{
		WALWritePosition: pglogrepl.LSN(max(r.received, confirmed)),
		WALFlushPosition: pglogrepl.LSN(confirmed),
		WALApplyPosition: pglogrepl.LSN(confirmed),
	}
	ctx, cancel := context.WithTimeout(context.Background(), r.timeout)
	defer cancel()
	defer r.boundWrites(ctx)()
	return describeReplication("report", pglogrepl.SendStandbyStatusUpdate(ctx, r.conn, update))
}

// boundWrites makes writes fail once ctx ends, until the returned function is called. The
// driver writes without a context, and a server that reads nothing must not block the
// caller indefinitely.
func (r *Replication) boundWrites(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() { _ = r.conn.Conn().SetWriteDeadline(time.Unix(1, 0)) })
}

// Stop ends the stream in order, so that the server has processed what was reported, and
// closes the connection, at the latest when ctx ends. What the server still sends is
// discarded.
func (r *Replication) Stop(ctx context.Context) {
	defer r.Close()
	defer r.boundWrites(ctx)()
	r.conn.Frontend().Send(&pgproto3.CopyDone{})
	if r.conn.Frontend().Flush() != nil {
		return
	}
	for {
		message, err := r.conn.ReceiveMessage(ctx)
		if _, done := message.(*pgproto3.CopyDone); err != nil || done {
			return
		}
	}
}

// Close closes the connection, which releases the lock.
func (r *Replication) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = r.conn.Close(ctx)
}

// describeReplication maps errors that an operator must act on, and leaves the rest to
// describe.
func describeReplication(op string, err error) error {
	var server *pgconn.PgError
	if !errors.As(err, &server) {
		return describe(op, err)
	}
	switch server.Code {
	case "42704", "55000", "58P01": // no such slot or publication; slot invalidated; log removed
		return fmt.Errorf("%s: %w (%s)", op, ErrSlotLost, server.Code)
	case "55006":
		return fmt.Errorf("%s: %w", op, ErrSlotBusy)
	case "42501":
		return fmt.Errorf("%s: %w", op, ErrMayNotReplicate)
	case "53400", "53300":
		return fmt.Errorf("%s: %w", op, ErrNoSlotsLeft)
	default:
		return describe(op, err)
	}
}

// describeDecoding separates what the server cannot decode, such as a row on which a
// filter of the publication fails, from transient errors. It must not be mistaken for an
// outage: every session would hit it again.
func describeDecoding(err *pgconn.PgError) error {
	described := describeReplication("read log", err)
	switch err.Code[:min(2, len(err.Code))] {
	case "22", "38", "39", "42", "0A", "XX": // data, routines, syntax and names, features, internal
		if errors.Is(described, ErrUnavailable) || errors.Is(described, fulfillment.ErrInvalid) {
			return fmt.Errorf("read log: %w (%s)", ErrUndecodable, err.Code)
		}
	}
	return described
}

// literal quotes a text for SQL. It relies on standard_conforming_strings, the default
// since PostgreSQL 9.1.
func literal(text string) string {
	quoted := []byte{'\''}
	for i := range len(text) {
		if text[i] == '\'' {
			quoted = append(quoted, '\'')
		}
		quoted = append(quoted, text[i])
	}
	return string(append(quoted, '\''))
}
