package e2e_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"

	"orderflow/internal/order"
	"orderflow/workflows"
)

// The server cannot report that a stream with such a name is deleted: its error looks
// like that of a failing server, which is retried silently.
func TestCustomerOutsideASCIIWithADeletedAccount(t *testing.T) {
	t.Parallel()
	l := newSteppedWorker(t, 500*time.Millisecond)
	l.gate.open()
	customer := "Käthe & Söhne " + uuid.NewString()
	o := l.begin(orderSpec{customer: customer})
	o.awaitMail(o.id, order.StatusFulfilling, "sent")
	require.Contains(t, l.credit(customer), "credit-reserved")

	_, err := l.events.TombstoneStream(t.Context(), "credit-"+customer, kurrentdb.TombstoneStreamOptions{})
	require.NoError(t, err)
	o.signal(o.id, workflows.CancelOrderMessage, cancelRequest)
	l.awaitListed(`ExecutionStatus="Running" AND OrderStuck="release-credit" AND WorkflowId="`+o.id+`"`, 1)
	o.awaitDetails("**stuck at `release-credit`**: release credit: fold credit account", "not whole", "stream is deleted")
	require.NoError(t, l.temporal.TerminateWorkflow(t.Context(), o.id, "", "its account does not come back"))
}
