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
	// ErrSlotLost says that a slot is not there, or cannot go on from where it is: what it had to send is gone.
	ErrSlotLost = errors.New("replication slot is lost")

	// ErrSlotBusy says that somebody else reads the slot.
	ErrSlotBusy = errors.New("replication slot is in use")

	// ErrMayNotReplicate says that the role lacks the attribute REPLICATION.
	ErrMayNotReplicate = errors.New("the role may not replicate: a superuser gives it the attribute REPLICATION")

	// ErrNoSlotsLeft says that the server has no room for another slot or another reader.
	ErrNoSlotsLeft = errors.New("the server's max_replication_slots or max_wal_senders is used up")
)

// Replication is a connection that reads the log by a logical replication slot. While it is open, a lock keeps every
// other Replication on the same slot out. It is not safe for concurrent use.
type Replication struct {
	System System

	conn     *pgconn.PgConn
	version  int // of the server, as server_version_num
	slot     string
	timeout  time.Duration // of one request
	silence  time.Duration // the server hangs up on a reader it has not heard of for so long; 0: never
	decoder  decoder
	received LSN
}

// OpenReplication connects, and asks which server it is connected to.
func (s *Store) OpenReplication(ctx context.Context, slot string) (*Replication, error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.CallTimeout)
	defer cancel()
	settings, err := s.replicationConfig()
	if err != nil {
		return nil, err
	}
	conn, err := pgconn.ConnectConfig(ctx, settings)
	if err != nil {
		return nil, describeReplication("connect for replication", err)
	}
	r := &Replication{conn: conn, slot: slot, timeout: s.config.CallTimeout, decoder: newDecoder()}
	if err := r.identify(ctx); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// replicationConfig is that of the pool, which understands more in a URL than the driver, for a connection that may be
// idle for long, and whose end the server has to notice soon: the next reader waits for it.
func (s *Store) replicationConfig() (*pgconn.Config, error) {
	settings, err := parseURL(s.config.URL)
	if err != nil {
		return nil, err
	}
	settings.ConnConfig.ConnectTimeout = s.config.CallTimeout
	nameApplication(settings.ConnConfig, s.config.ApplicationName)
	for name, value := range map[string]string{
		isolationSetting: isolationRequired, schemaSetting: schemaRequired, zoneSetting: zoneRequired,
		"replication": "database", "datestyle": "ISO", "idle_session_timeout": "0", "statement_timeout": "0", "lock_timeout": "0",
		"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "4",
	} {
		settings.ConnConfig.RuntimeParams[name] = value
	}
	return &settings.ConnConfig.Config, nil
}

func (r *Replication) identify(ctx context.Context) error {
	system, err := pglogrepl.IdentifySystem(ctx, r.conn)
	if err != nil {
		return describeReplication("identify server", err)
	}
	r.System = System{ID: system.SystemID, Timeline: system.Timeline}
	silence, err := r.ask(ctx, `SELECT setting FROM pg_settings WHERE name = 'wal_sender_timeout'`)
	if err != nil {
		return err
	}
	milliseconds, err := strconv.ParseInt(silence, 10, 64)
	if err != nil {
		return err
	}
	r.silence = time.Duration(milliseconds) * time.Millisecond
	version, err := r.ask(ctx, `SELECT setting FROM pg_settings WHERE name = 'server_version_num'`)
	if err != nil {
		return err
	}
	r.version, err = strconv.Atoi(version)
	return err
}

// FailsOver reports whether the server can copy slots to its standbys: PostgreSQL 17 and newer can.
func (r *Replication) FailsOver() bool { return r.version >= 17_00_00 }

// Silence is how long the server waits to hear from its reader before it hangs up; 0 is for ever.
func (r *Replication) Silence() time.Duration { return r.silence }

// Acquire takes the lock on the slot, and reports whether it got it. It is held until the connection ends.
func (r *Replication) Acquire(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	got, err := r.ask(ctx, fmt.Sprintf(`SELECT pg_try_advisory_lock(hashtextextended(%s, 0))`, literal("orderflow publisher "+r.slot)))
	return got == "t", err
}

// ask sends a statement and gives the one value of its answer. This kind of connection knows no parameters.
func (r *Replication) ask(ctx context.Context, sql string) (string, error) {
	results, err := r.conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		return "", describeReplication("ask", err)
	}
	last := results[len(results)-1]
	if len(last.Rows) == 0 {
		return "", nil
	}
	return string(last.Rows[0][0]), nil
}

// CreateSlot makes the slot, for failover where the server can. The server first waits for the transactions that are under
// way, however long they take: until ctx ends.
func (r *Replication) CreateSlot(ctx context.Context) error {
	options := "NOEXPORT_SNAPSHOT"
	if r.FailsOver() {
		options = "(SNAPSHOT 'nothing', FAILOVER)"
	}
	_, err := r.conn.Exec(ctx, fmt.Sprintf(`CREATE_REPLICATION_SLOT %s LOGICAL %s %s`,
		pgx.Identifier{r.slot}.Sanitize(), decoderPlugin, options)).ReadAll()
	return describeReplication("create slot", err)
}

// EnableFailover has the server copy an existing slot to its standbys. The server must report FailsOver, and waits while the
// slot is active.
func (r *Replication) EnableFailover(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	_, err := r.conn.Exec(ctx, `ALTER_REPLICATION_SLOT `+pgx.Identifier{r.slot}.Sanitize()+` (FAILOVER)`).ReadAll()
	return describeReplication("enable failover of slot", err)
}

// DropSlot removes the slot, for one that is lost.
func (r *Replication) DropSlot(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	_, err := r.conn.Exec(ctx, `DROP_REPLICATION_SLOT `+pgx.Identifier{r.slot}.Sanitize()).ReadAll()
	return describeReplication("drop slot", err)
}

// Start begins to read behind what was confirmed. From then on only Receive, Report, Stop and Close are of use.
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

// Receive waits for the next message. A ctx that ends is its own error and leaves the connection as it is; after any
// other error it is of no more use.
func (r *Replication) Receive(ctx context.Context) (Change, error) {
	for {
		message, err := r.conn.ReceiveMessage(ctx)
		if err != nil && pgconn.Timeout(err) && ctx.Err() != nil && !r.conn.IsClosed() {
			return Change{}, ctx.Err()
		}
		if err != nil {
			return Change{}, describeReplication("read the log", err)
		}
		switch message := message.(type) {
		case *pgproto3.CopyData:
			change, known, err := r.decoder.read(message.Data)
			if err != nil {
				return Change{}, fmt.Errorf("read the log: %w", err)
			}
			if known {
				r.received = max(r.received, change.Reached)
				return change, nil
			}
		case *pgproto3.ErrorResponse:
			return Change{}, describeDecoding(pgconn.ErrorResponseToPgError(message))
		case *pgproto3.CopyDone:
			return Change{}, describeReplication("read the log", errServerLeaves)
		}
	}
}

var errServerLeaves = errors.New("the server ended the stream")

// Report tells the server that the reader lives, and below which position nothing needs to be sent again.
func (r *Replication) Report(confirmed LSN) error {
	update := pglogrepl.StandbyStatusUpdate{
		WALWritePosition: pglogrepl.LSN(max(r.received, confirmed)),
		WALFlushPosition: pglogrepl.LSN(confirmed),
		WALApplyPosition: pglogrepl.LSN(confirmed),
	}
	ctx, cancel := context.WithTimeout(context.Background(), r.timeout)
	defer cancel()
	// The driver writes without a context, and a server that takes nothing in must not hold us up for ever.
	stop := context.AfterFunc(ctx, func() { _ = r.conn.Conn().SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	return describeReplication("report", pglogrepl.SendStandbyStatusUpdate(ctx, r.conn, update))
}

// Stop ends the stream in good order, so that the server has taken in what was reported, and closes the connection. What
// the server still sends is dropped.
func (r *Replication) Stop(ctx context.Context) {
	defer r.Close()
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

// Close ends the connection and gives the lock back.
func (r *Replication) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = r.conn.Close(ctx)
}

// describeReplication names what an operator has to see to, and leaves the rest to describe.
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

// describeDecoding tells what the server cannot decode, such as a row that a filter of the publication fails on, from what
// passes. It must not be mistaken for an outage: every session would meet it again.
func describeDecoding(err *pgconn.PgError) error {
	described := describeReplication("read the log", err)
	switch err.Code[:min(2, len(err.Code))] {
	case "22", "38", "39", "42", "0A", "XX": // data, routines, syntax and names, features, internal
		if errors.Is(described, ErrUnavailable) || errors.Is(described, fulfillment.ErrInvalid) {
			return fmt.Errorf("read the log: %w (%s)", ErrUndecodable, err.Code)
		}
	}
	return described
}

// literal quotes a text for SQL; the session has standard_conforming_strings, as every server since 9.1.
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
