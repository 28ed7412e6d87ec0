package temporalclient_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"orderflow/internal/temporalclient"
)

func TestIsOutage(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err  error
		want bool
	}{
		"unreachable":              {serviceerror.NewUnavailable("connection refused"), true},
		"late":                     {serviceerror.NewDeadlineExceeded("deadline"), true},
		"throttled":                {serviceerror.NewResourceExhausted(enums.RESOURCE_EXHAUSTED_CAUSE_RPS_LIMIT, "busy"), true},
		"an upgrade":               {serviceerror.NewFailedPrecondition("not yet"), true},
		"a failover":               {serviceerror.NewNamespaceNotActive("orders", "a", "b"), true},
		"a failing workflow task":  {serviceerror.NewWorkflowNotReady("workflow task in failed state"), true},
		"a code without a type":    {status.Error(codes.Aborted, "try again"), true},
		"a wrapped error":          {fmt.Errorf("cancel the order: %w", serviceerror.NewUnavailable("gone")), true},
		"an invalid request":       {serviceerror.NewInvalidArgument("no such field"), false},
		"a missing workflow":       {serviceerror.NewNotFound("no such workflow"), false},
		"refused credentials":      {serviceerror.NewPermissionDenied("no", ""), false},
		"a caller that gave up":    {serviceerror.NewCanceled("canceled"), false},
		"an error of this process": {errors.New("decode"), false},
		"a deadline of the caller": {context.DeadlineExceeded, false},
		"no error":                 {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, temporalclient.IsOutage(test.err))
		})
	}
}
