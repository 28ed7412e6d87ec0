package temporalclient

import (
	"errors"

	"go.temporal.io/api/serviceerror"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// RefusesCredentials reports whether the server knows the caller and refuses it, or does not know it.
func RefusesCredentials(err error) bool {
	var denied *serviceerror.PermissionDenied
	return errors.As(err, &denied) || code(err) == codes.Unauthenticated || code(err) == codes.PermissionDenied
}

// NeedsOperator reports whether an error concerns the namespace as a whole, and passes only if an operator repairs it: the
// credentials are refused, or the namespace is not there or lacks search attributes.
func NeedsOperator(err error) bool {
	var absent *serviceerror.NamespaceNotFound
	var lacking *AttributesError
	return RefusesCredentials(err) || errors.As(err, &absent) || errors.As(err, &lacking)
}

// code returns the gRPC code of an error of the SDK, which has types of its own for most.
func code(err error) codes.Code {
	if known, ok := errors.AsType[serviceerror.ServiceError](err); ok {
		return known.Status().Code()
	}
	return status.Code(err)
}
