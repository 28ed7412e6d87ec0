package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"orderflow/internal/config"
	"orderflow/internal/fulfillment"
)

var (
	// ErrUnavailable says that the database did not do it now and may later: connections, timeouts, serialization, and
	// what an operator mends, such as a missing grant or migration. The outcome of a write is unknown; repeat it.
	ErrUnavailable = errors.New("postgres is unavailable")

	// ErrNotFound says that the order has no row.
	ErrNotFound = fulfillment.ErrNotFound

	// ErrSchemaOutdated says that migrations are missing.
	ErrSchemaOutdated = errors.New("schema is outdated")
)

// Error is a failed call: ErrUnavailable, or fulfillment.ErrInvalid when the database will never take these values. Its
// text holds codes and names of the schema and never the server's own words, which quote the values of a row.
type Error struct {
	Op         string // what was being done, such as "start fulfilment"
	Code       string // the SQLSTATE, or a short word where there was no answer
	Constraint string // the constraint or trigger that refused, if one did
	Detail     string // what an operator has to change, if it is known
	kind       error  // ErrUnavailable or fulfillment.ErrInvalid
	cause      error  // the context's error, if that was it
}

// Error returns the operation, the kind and the codes, and the detail if there is one.
func (e *Error) Error() string {
	if e.Detail != "" {
		return fmt.Sprintf("%s: %v (%s): %s", e.Op, e.kind, e.Code, e.Detail)
	}
	if e.Constraint != "" {
		return fmt.Sprintf("%s: %v (%s, %s)", e.Op, e.kind, e.Code, e.Constraint)
	}
	return fmt.Sprintf("%s: %v (%s)", e.Op, e.kind, e.Code)
}

// Unwrap gives the kind, and the context's error when the call ran out of time or was given up.
func (e *Error) Unwrap() []error {
	if e.cause == nil {
		return []error{e.kind}
	}
	return []error{e.kind, e.cause}
}

// Retryable reports whether the same call can succeed later.
func (e *Error) Retryable() bool { return !errors.Is(e.kind, fulfillment.ErrInvalid) }

// Blocked reports whether no retry clears it before an operator has changed something: a grant, a migration, a database
// or a role that is missing, or how a connection pooler is set up.
func (e *Error) Blocked() bool {
	if ofPooler(e.Code) || e.Code == codePooler {
		return true
	}
	switch e.Code[:min(2, len(e.Code))] {
	case "28", "3D", "3F", "42":
		return len(e.Code) == sqlStateLength
	default:
		return false
	}
}

const (
	sqlStateLength = 5
	codePooler     = "pooler" // where a connection pooler's sessions cannot be used
)

// describe turns an error of the driver into one of ours, nil into nil. A *config.Error is wrapped as it is.
func describe(op string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*config.Error](err); ok {
		return fmt.Errorf("%s: %w", op, err)
	}
	e := &Error{Op: op, Code: "connection", kind: ErrUnavailable}
	var server *pgconn.PgError
	var network *net.OpError
	var connecting *pgconn.ConnectError
	var pooler *poolerError
	switch {
	case errors.As(err, &pooler):
		e.Code, e.Detail = codePooler, pooler.Error()
	case errors.As(err, &server):
		e.Code, e.Constraint = server.Code, server.ConstraintName
		if permanent(server.Code) {
			e.kind = fulfillment.ErrInvalid
		}
		if ofPooler(server.Code) {
			e.Detail = poolerDetail
		}
	case errors.Is(err, context.Canceled):
		e.Code, e.cause = "cancelled", context.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		e.Code, e.cause = "deadline", context.DeadlineExceeded
	case errors.As(err, &network):
		e.Code = network.Error() // addresses and the system's word for what happened
	case errors.As(err, &connecting): // TLS, as a rule; what is wrapped names each server and what it did, and no user
		e.Code = strings.ReplaceAll(connecting.Unwrap().Error(), "\n", "; ")
	}
	return e
}

// permanent reports whether a SQLSTATE blames the values: data exceptions, integrity constraints, and limits such as an
// index row that is too long. Class 42 is not among them: a missing table or right is the operator's to mend, and giving
// up the orders that met it would turn a slip in a deployment into lost orders.
func permanent(code string) bool {
	switch code[:min(2, len(code))] {
	case "22", "23", "54":
		return true
	default:
		return false
	}
}

// conflicted reports whether a transaction was given up for another's sake, and repeating it at once is what is meant.
func conflicted(err error) bool {
	const serializationFailure, deadlockDetected = "40001", "40P01"
	var server *pgconn.PgError
	return errors.As(err, &server) && (server.Code == serializationFailure || server.Code == deadlockDetected)
}

// readOnlyTransaction is the SQLSTATE of a write on a standby, or in a session whose default_transaction_read_only is on.
const readOnlyTransaction = "25006"

// keepsConnection reports whether a connection may go back to its pool after an error of the server. A server that takes no
// writes, is in recovery, or shuts down is not the one that the name of the database leads to by now: such a connection
// answers a ping, so without this its pool stays on the wrong side for the connection's whole life.
func keepsConnection(_ *pgconn.PgConn, err *pgconn.PgError) bool {
	if strings.EqualFold(err.Severity, "FATAL") {
		return false
	}
	switch err.Code {
	case readOnlyTransaction, "57P01", "57P02", "57P03": // admin_shutdown, crash_shutdown, cannot_connect_now
		return false
	case "55000": // object_not_in_prerequisite_state: among others "recovery is in progress"
		return false
	default:
		return true
	}
}
