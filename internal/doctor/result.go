package doctor

import (
	"errors"
	"fmt"
	"strings"
)

// answer is what one call returned.
type answer[T any] struct {
	value T
	err   error
}

func ask[T any](value T, err error) answer[T] { return answer[T]{value, err} }

func ok(format string, args ...any) Result {
	return Result{Status: OK, Found: fmt.Sprintf(format, args...)}
}

func notChecked(format string, args ...any) Result {
	return Result{Status: NotChecked, Found: fmt.Sprintf(format, args...)}
}

func warning(found, why, do string) Result {
	return Result{Status: Warning, Found: found, Why: why, Do: do}
}

func problem(found, why, do string) Result {
	return Result{Status: Problem, Found: found, Why: why, Do: do}
}

// failed returns the result of a check whose call failed.
func failed(err error) Result {
	return Result{
		Status: Failed, Found: oneLine(err), Why: "The check could not be made.",
		Do: "Run the command again; if it fails again, look at the server's log.",
	}
}

func unreachable(store Store, err error) Result {
	if refused, ok := errors.AsType[*refusedError](err); ok {
		return Result{Status: Problem, Found: oneLine(refused.err), Why: refused.why, Do: refused.do}
	}
	return Result{
		Status: Failed, Found: oneLine(err), Why: "Nothing else about " + string(store) + " could be checked.",
		Do: "Check the address in " + addressOf(store) + ", the network between, and that the server runs.",
	}
}

func addressOf(store Store) string {
	return map[Store]string{
		KurrentDB: "KURRENTDB_URL", Postgres: "POSTGRES_URL", Temporal: "TEMPORAL_ADDRESS", SES: "AWS_REGION and AWS_ENDPOINT_URL_SESV2",
	}[store]
}

// refusedError means that a store responded and does not let the caller in.
type refusedError struct {
	err     error
	why, do string
}

func (e *refusedError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *refusedError) Unwrap() error { return e.err }

// maxText bounds what a server's error adds to a report.
const maxText = 300

func oneLine(err error) string {
	text := strings.Join(strings.Fields(err.Error()), " ")
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + "..."
	}
	return text
}
