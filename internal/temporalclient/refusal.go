package temporalclient

import (
	"errors"

	"go.temporal.io/api/serviceerror"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// RefusesCredentials reports whether err means that the server refuses the caller, or
// does not know it.
func RefusesCredentials(err error) bool { return err != nil && refusesCredentials(err) }

// refusesCredentials reports whether err means that the server refuses the caller, or
// does not know it.
func refusesCredentials(err error) bool {
	var denied *serviceerror.PermissionDenied
	return errors.As(err, &denied) || code(err) == codes.Unauthenticated || code(err) == codes.PermissionDenied
}

// NeedsOperator reports whether an error concerns the namespace as a whole and clears
// only when an operator fixes it: the credentials are refused, or the namespace does not
// exist or lacks search attributes.
func NeedsOperator(err error) bool {
	var notFound *serviceerror.NamespaceNotFound
	var missing *AttributesError
	return refusesCredentials(err) || errors.As(err, &notFound) || errors.As(err, &missing)
}

// IsOutage reports whether the server cannot do something at the moment, so that the call
// may succeed later: it is unreachable or late, it throttles, a namespace fails over or a
// cluster is upgraded, or a workflow's task fails.
func IsOutage(err error) bool {
	switch code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.ResourceExhausted, codes.FailedPrecondition, codes.Aborted:
		return true
	default:
		return false
	}
}

// code returns the gRPC code of an SDK error. The SDK has its own types for most codes.
func code(err error) codes.Code {
	if known, ok := errors.AsType[serviceerror.ServiceError](err); ok {
		return known.Status().Code()
	}
	return status.Code(err)
}

// IsNotFound reports whether the server has no such workflow or run.
func IsNotFound(err error) bool {
	_, notFound := errors.AsType[*serviceerror.NotFound](err)
	return notFound
}
