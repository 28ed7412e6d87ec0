package postgres

import (
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pglogrepl"

	"orderflow/internal/correlation"
)

// Change is one message of the stream: a version, or how far the stream has got. Neither
// is set if the server only asks whether the reader is alive.
type Change struct {
	Version     *Version // of a transaction that has committed
	Reached     LSN      // every version of transactions that ended below has been delivered; 0: not reported
	Foreign     bool     // a row of another table, which the publication should not include
	ReplyWanted bool     // the server waits for a Report
}

// ErrUndecodable means that the slot holds something that the server cannot decode, or
// that does not have the form this version of the program knows. Reading it again has the
// same result.
var ErrUndecodable = errors.New("the log cannot be decoded")

// decoder decodes pgoutput's messages. It keeps the tables that the server described, and
// the current transaction.
type decoder struct {
	relations map[uint32]relation
	committed time.Time // commit time of the transaction that is being received
}

// relation holds the positions of a table's columns, because a later migration may add
// some.
type relation struct {
	history bool
	columns map[string]int
}

func newDecoder() decoder { return decoder{relations: map[uint32]relation{}} }

// read decodes one message of the server; known is false for one that is not relevant
// here.
func (d *decoder) read(data []byte) (change Change, known bool, err error) {
	if len(data) == 0 {
		return Change{}, false, fmt.Errorf("%w: empty message", ErrUndecodable)
	}
	switch data[0] {
	case pglogrepl.PrimaryKeepaliveMessageByteID:
		alive, err := pglogrepl.ParsePrimaryKeepaliveMessage(data[1:])
		if err != nil {
			return Change{}, false, fmt.Errorf("%w: %w", ErrUndecodable, err)
		}
		// The stream has reached this position: transactions that commit beyond it come
		// after this message.
		return Change{Reached: LSN(alive.ServerWALEnd), ReplyWanted: alive.ReplyRequested}, true, nil
	case pglogrepl.XLogDataByteID:
		log, err := pglogrepl.ParseXLogData(data[1:])
		if err != nil {
			return Change{}, false, fmt.Errorf("%w: %w", ErrUndecodable, err)
		}
		return d.message(log.WALData)
	default:
		return Change{}, false, fmt.Errorf("%w: message of kind %q", ErrUndecodable, data[0])
	}
}

func (d *decoder) message(data []byte) (change Change, known bool, err error) {
	if len(data) == 0 {
		return Change{}, false, fmt.Errorf("%w: empty message", ErrUndecodable)
	}
	switch pglogrepl.MessageType(data[0]) {
	case pglogrepl.MessageTypeInsert:
		return d.insert(data[1:])
	case pglogrepl.MessageTypeOrigin, pglogrepl.MessageTypeType, pglogrepl.MessageTypeUpdate, pglogrepl.MessageTypeDelete,
		pglogrepl.MessageTypeTruncate, pglogrepl.MessageTypeMessage:
		return Change{}, false, nil
	}
	message, err := parseMessage(data)
	if err != nil {
		return Change{}, false, fmt.Errorf("%w: %w", ErrUndecodable, err)
	}
	switch message := message.(type) {
	case *pglogrepl.RelationMessage:
		d.relations[message.RelationID] = relationOf(message)
	case *pglogrepl.BeginMessage:
		d.committed = message.CommitTime.UTC()
	case *pglogrepl.CommitMessage:
		return Change{Reached: LSN(message.TransactionEndLSN)}, true, nil
	}
	return Change{}, false, nil
}

// parseMessage returns an error for a truncated message, for which the library panics.
func parseMessage(data []byte) (message pglogrepl.Message, err error) {
	defer func() {
		if recover() != nil {
			message, err = nil, errTruncated
		}
	}()
	return pglogrepl.Parse(data)
}

func relationOf(message *pglogrepl.RelationMessage) relation {
	r := relation{history: message.Namespace == "public" && message.RelationName == historyTable, columns: map[string]int{}}
	for i, column := range message.Columns {
		r.columns[column.Name] = i
	}
	return r
}

func (d *decoder) insert(data []byte) (change Change, known bool, err error) {
	id, values, err := parseInsert(data)
	if err != nil {
		return Change{}, false, fmt.Errorf("%w: %w", ErrUndecodable, err)
	}
	table, described := d.relations[id]
	if !described {
		return Change{}, false, fmt.Errorf("%w: a row of a table it did not describe", ErrUndecodable)
	}
	if !table.history {
		return Change{Foreign: true}, true, nil
	}
	row := tuple{columns: table.columns, values: values}
	v := Version{
		ID: row.number("id"), OrderID: string(row.value("order_id")), Revision: row.number("revision"),
		EventType: string(row.value("event_type")), Old: row.value("old"), New: row.value("new"), At: d.committed,
		Trace: correlation.Trace{CorrelationID: row.added("correlation_id"), Traceparent: row.added("traceparent")},
	}
	if row.err != nil {
		return Change{}, false, row.err
	}
	return Change{Version: &v}, true, nil
}
