package main

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/order"
)

// Two processes share the work: neither has the settings of what the other one does.
func TestRun_OneQueueEach(t *testing.T) {
	c, _ := preparedNamespace(t)
	orders := startWorker(t, "WORKER_QUEUES=order-fulfillment", "EMAIL_FROM=")
	emails := startWorker(t, "WORKER_QUEUES=order-email", "KURRENTDB_URL=")
	ready := orders.Await("/readyz", http.StatusOK)
	require.JSONEq(t, `{"worker":"ok","temporal":"ok","postgres":"ok","kurrentdb":"ok"}`, ready)
	ready = emails.Await("/readyz", http.StatusOK)
	require.JSONEq(t, `{"worker":"ok","temporal":"ok","postgres":"ok"}`, ready)

	p := placeIn(t, c, "queues@example.com")
	p.await(order.StatusFulfilling, "sent")
	require.Equal(t, map[string]int{"confirmation": 1}, p.acceptedEmails())
	require.NoError(t, emails.Stop())
	require.NoError(t, orders.Stop())
}

func TestRun_SettingsOfTheQueues(t *testing.T) {
	t.Parallel()
	err := run(t.Context(), []string{"WORKER_QUEUES=order-email", "WORKER_EMAIL_SLOTS=1"}, nil)
	require.EqualError(t, err, "EMAIL_FROM: is required\nPOSTGRES_URL: is required\n"+
		"WORKER_EMAIL_SLOTS: must be from 4 to 10000: WORKER_QUEUE_PARTITIONS is the minimum")
}
