package activities_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"orderflow/activities"
)

// operatorError is a driver's error, which an operator has to clear unless it is false.
type operatorError bool

func (operatorError) Error() string { return "no grant" }

func (e operatorError) Blocked() bool { return bool(e) }

func TestCheckStores(t *testing.T) {
	t.Parallel()
	down := errors.New("connection refused")
	store := func(name, note string, err error) activities.StoreCheck {
		return activities.StoreCheck{Name: name, Check: func(ctx context.Context) (string, error) {
			deadline, bounded := ctx.Deadline()
			if !bounded || time.Until(deadline) > 10*time.Second {
				return "", errors.New("the check is not bounded")
			}
			return note, err
		}}
	}
	for name, test := range map[string]struct {
		checks    []activities.StoreCheck
		want      activities.CheckedStores
		fault     string
		errType   string
		permanent bool
	}{
		"passes with notes": {
			checks: []activities.StoreCheck{store("postgres", "", nil), store("ses", "sandbox", nil)},
			want:   activities.CheckedStores{"postgres": "ok", "ses": "ok: sandbox"},
		},
		"is repeated while a store is down": {
			checks: []activities.StoreCheck{store("postgres", "", nil), store("ses", "", down)},
			fault:  "ses: connection refused", errType: "UNAVAILABLE",
		},
		"fails for what an operator has to clear, and names every store": {
			checks: []activities.StoreCheck{store("kurrentdb", "", operatorError(false)), store("postgres", "", operatorError(true)), store("ses", "", down)},
			fault:  "kurrentdb: no grant\npostgres: no grant\nses: connection refused", errType: activities.TypeBlocked, permanent: true,
		},
		"fails without a check": {fault: "no store can be checked", errType: activities.TypeBlocked, permanent: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var suite testsuite.WorkflowTestSuite
			env := suite.NewTestActivityEnvironment()
			env.RegisterActivity(&activities.Activities{Checks: test.checks})
			value, err := env.ExecuteActivity("CheckStores")
			if test.fault != "" {
				var failure *temporal.ApplicationError
				require.ErrorAs(t, err, &failure)
				require.Equal(t, test.fault, failure.Message())
				require.Equal(t, test.errType, failure.Type())
				require.Equal(t, test.permanent, failure.NonRetryable())
				return
			}
			require.NoError(t, err)
			var checked activities.CheckedStores
			require.NoError(t, value.Get(&checked))
			require.Equal(t, test.want, checked)
		})
	}
}
