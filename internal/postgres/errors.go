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
	// ErrUnavailable means that the database could not do it now and may be able to
	// later: connections, timeouts, serialization failures, and what an operator must
	// repair, such as a missing grant or migration. The outcome of a write is unknown;
	// repeat it.
	ErrUnavailable = errors.New("postgres is unavailable")

	// ErrNotFound means that the order has no row.
	ErrNotFound = fulfillment.ErrNotFound

	// ErrSchemaOutdated means that migrations have not been run.
	ErrSchemaOutdated error = operatorError("schema is outdated")
)

// operatorError is an error that no retry clears until an operator has done something.
type operatorError string

// Error returns the text.
func (e operatorError) Error() string { return string(e) }

// Blocked reports true.
func (operatorError) Blocked() bool { return true }

// Error is a failed call. It wraps ErrUnavailable, or fulfillment.ErrInvalid if the
// database will never accept these values. Its text holds codes and names of the schema,
// never the server's own message, which quotes the values of a row.
type Error struct {
	Op         string // the operation, such as "start fulfillment"
	Code       string // the SQLSTATE, or a short word if the server did not respond
	Constraint string // the constraint or trigger that failed, if any
	Detail     string // what an operator must change, if known
	kind       error  // ErrUnavailable or fulfillment.ErrInvalid
	cause      error  // the context's error, if that was the reason
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

// Unwrap returns the kind, and the context's error if the call timed out or was canceled.
func (e *Error) Unwrap() []error {
	if e.cause == nil {
		return []error{e.kind}
	}
	return []error{e.kind, e.cause}
}

// Blocked reports whether retries are useless until an operator has changed something: a
// grant, a migration, a database or a role that is missing, or the configuration of a
// connection pooler.
func (e *Error) Blocked() bool {
	if isPoolerCode(e.Code) || e.Code == codePooler {
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
	codePooler     = "pooler" // the sessions of a connection pooler cannot be used
)

// describe turns an error of the driver into an *Error, and nil into nil. It wraps a
// *config.Error unchanged.
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
		if blamesValues(server.Code) {
			e.kind = fulfillment.ErrInvalid
		}
		if isPoolerCode(server.Code) {
			e.Detail = poolerDetail
		}
	case errors.Is(err, context.Canceled):
		e.Code, e.cause = "cancelled", context.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		e.Code, e.cause = "deadline", context.DeadlineExceeded
	case errors.As(err, &network):
		e.Code = network.Error() // addresses and the operating system's error
	case errors.As(err, &connecting): // usually TLS; the wrapped error names each server and its error, and no user
		e.Code = strings.ReplaceAll(connecting.Unwrap().Error(), "\n", "; ")
	}
	return e
}

// blamesValues reports whether a SQLSTATE blames the values: data exceptions, integrity
// constraints, and limits such as an index row that is too long. Class 42 is not
// included: a missing table or right is for the operator to repair, and rejecting the
// orders that hit it would turn a deployment mistake into lost orders.
func blamesValues(code string) bool {
	switch code[:min(2, len(code))] {
	case "22", "23", "54":
		return true
	default:
		return false
	}
}

// isConflict reports whether the server aborted a transaction in favor of another one, so
// that it should be repeated at once.
func isConflict(err error) bool {
	const serializationFailure, deadlockDetected = "40001", "40P01"
	var server *pgconn.PgError
	return errors.As(err, &server) && (server.Code == serializationFailure || server.Code == deadlockDetected)
}

// readOnlyTransaction is the SQLSTATE of a write on a standby, or in a session whose
// default_transaction_read_only is on.
const readOnlyTransaction = "25006"

// keepsConnection reports whether a connection may return to its pool after an error of
// the server. If a server takes no writes, is in recovery, or shuts down, the name of the
// database may by now lead to another server. Such a connection still responds to a ping,
// so without this check its pool would stay on the wrong server until the connection's
// maximum lifetime.
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
