package bridge

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/converter"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"orderflow/internal/kurrent"
	"orderflow/internal/temporalclient"
)

func TestClassify(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  error
		want Class
	}{
		{nil, ClassDone},
		{Park("bad"), ClassDone},
		{serviceerror.NewInvalidArgument("exceeded workflow execution limit for signal events"), ClassBusy},
		{serviceerror.NewInvalidArgument("Workflow history size exceeds limit."), ClassBusy},
		{&serviceerror.ResourceExhausted{Cause: enums.RESOURCE_EXHAUSTED_CAUSE_BUSY_WORKFLOW}, ClassBusy},
		{&serviceerror.ResourceExhausted{Cause: enums.RESOURCE_EXHAUSTED_CAUSE_RPS_LIMIT}, ClassRetry},
		{serviceerror.NewInvalidArgument("Blob data size exceeds limit."), ClassRefused},
		{serviceerror.NewInvalidArgument("Namespace default has no mapping defined for search attribute CustomerId"), ClassConfiguration},
		{serviceerror.NewInvalidArgument("search attribute CustomerId is not defined"), ClassConfiguration},
		{serviceerror.NewInvalidArgument(`invalid value for search attribute CustomerId of type Int: unable to decode "customer-7"`), ClassConfiguration},
		{serviceerror.NewInvalidArgument("unable to get CustomerId search attribute type: invalid search attribute type: Unspecified"), ClassConfiguration},
		{serviceerror.NewFailedPrecondition("failing over"), ClassRetry},
		{serviceerror.NewWorkflowNotReady("its task fails"), ClassBusy},
		{&serviceerror.ResourceExhausted{Cause: enums.RESOURCE_EXHAUSTED_CAUSE_CONCURRENT_LIMIT}, ClassBusy},
		{serviceerror.NewFailedPrecondition("The limit on the total number of distinct updates in this workflow has been reached"), ClassBusy},
		{converter.ErrUnableToEncode, ClassRefused},
		{serviceerror.NewNamespaceNotFound("orders"), ClassConfiguration},
		{serviceerror.NewPermissionDenied("no", ""), ClassConfiguration},
		{status.Error(codes.Unauthenticated, "no"), ClassConfiguration},
		{kurrent.ErrAccessDenied, ClassRetry},
		{fmt.Errorf("workflow: %w", temporalclient.ErrUnreadable), ClassUndecodable},
		{serviceerror.NewUnavailable("down"), ClassRetry},
		{context.DeadlineExceeded, ClassRetry},
	} {
		require.Equal(t, test.want, Classify(test.err), "%v", test.err)
		if test.err != nil {
			require.Equal(t, test.want, Classify(fmt.Errorf("start: %w", test.err)), "%v, wrapped", test.err)
		}
	}
}

func TestServerMessage_WithoutValue(t *testing.T) {
	t.Parallel()
	err := serviceerror.NewInvalidArgument(`invalid value for search attribute CustomerId of type Int: unable to decode "customer-7"`)
	require.Equal(t, "invalid value for search attribute CustomerId of type Int", ServerMessage(err))
}

func TestSignalKey(t *testing.T) {
	t.Parallel()
	cancel := Signal{WorkflowID: "1", Name: "cancel", Coalesce: "a"}
	require.Equal(t, cancel.key(), Signal{WorkflowID: "1", Name: "cancel", Coalesce: "a", Arg: 7}.key())
	for _, other := range []Signal{{WorkflowID: "1", Name: "pause", Coalesce: "a"}, {WorkflowID: "2", Name: "cancel", Coalesce: "a"}} {
		require.NotEqual(t, cancel.key(), other.key())
	}
	require.Empty(t, Signal{WorkflowID: "1", Name: "cancel"}.key())
}
