package main

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"orderflow/internal/email"
)

func TestEmailMeter(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	m := newEmailMeter(registry)
	for _, kind := range email.Kinds() {
		m.EmailSettled(kind, email.StatusSent)
	}
	m.EmailSettled(email.ParcelKind(3), email.StatusPending)
	for _, kind := range email.Kinds() {
		require.InDelta(t, 1, testutil.ToFloat64(m.settled.WithLabelValues(string(kind), string(email.StatusSent))), 0, kind)
	}
	require.InDelta(t, 1, testutil.ToFloat64(m.settled.WithLabelValues("shipment", "pending")), 0)
	count, err := testutil.GatherAndCount(registry, "orderflow_email_total")
	require.NoError(t, err)
	require.Equal(t, 3*len(email.Kinds()), count, "those of alerts begin at 0")
}
