package config_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/config"
)

func TestWorker_Defaults(t *testing.T) {
	t.Parallel()
	got, err := config.Load[config.Worker](nil)
	require.NoError(t, err)
	require.Equal(t, config.Queues{config.OrderQueue, config.EmailQueue}, got.Queues)
	require.True(t, got.ServesOrders() && got.ServesEmails())
}

func TestWorker_Connections(t *testing.T) {
	t.Parallel()
	const slots = "WORKER_ACTIVITY_SLOTS=100"
	for name, test := range map[string]struct {
		environ []string
		want    int32
	}{
		"cover the slots of every activity":  {[]string{slots, "WORKER_LOCAL_ACTIVITY_SLOTS=50", "WORKER_EMAIL_SLOTS=10"}, 164},
		"leave out emails without the queue": {[]string{slots, "WORKER_LOCAL_ACTIVITY_SLOTS=50", "WORKER_QUEUES=order-fulfillment"}, 154},
		"leave out orders without the queue": {[]string{slots, "WORKER_EMAIL_SLOTS=10", "WORKER_QUEUES=order-email"}, 14},
		"cover the lookups of a comparison":  {[]string{slots, "WORKER_QUEUES=order-reconcile"}, 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := config.Load[config.Worker](test.environ)
			require.NoError(t, err)
			require.Equal(t, test.want, got.Connections())
		})
	}
}

// A poll occupies a slot, and every partition of a task queue needs a poll of its own.
func TestWorker_Faults(t *testing.T) {
	t.Parallel()
	const queues = "WORKER_QUEUES: must be order-fulfillment, order-email, both with a comma between, or order-reconcile alone"
	for name, test := range map[string]struct{ variable, want string }{
		"an unknown queue":                {"WORKER_QUEUES=order-emails", queues},
		"a queue named twice":             {"WORKER_QUEUES=order-email,order-email", queues},
		"no queue":                        {"WORKER_QUEUES=,", queues},
		"comparisons and emails":          {"WORKER_QUEUES=order-reconcile,order-email", queues},
		"fewer workflow slots than polls": {"WORKER_WORKFLOW_SLOTS=7", "WORKER_WORKFLOW_SLOTS: must be from 8 to 10000: twice WORKER_QUEUE_PARTITIONS is the minimum"},
		"fewer activity slots":            {"WORKER_ACTIVITY_SLOTS=3", "WORKER_ACTIVITY_SLOTS: must be from 4 to 10000: WORKER_QUEUE_PARTITIONS is the minimum"},
		"fewer email slots":               {"WORKER_EMAIL_SLOTS=3", "WORKER_EMAIL_SLOTS: must be from 4 to 10000: WORKER_QUEUE_PARTITIONS is the minimum"},
		"fewer workflow pollers":          {"WORKER_WORKFLOW_POLLERS=3", "WORKER_WORKFLOW_POLLERS: must be from 4 to 10000: WORKER_QUEUE_PARTITIONS is the minimum"},
		"fewer activity pollers":          {"WORKER_ACTIVITY_POLLERS=3", "WORKER_ACTIVITY_POLLERS: must be from 4 to 10000: WORKER_QUEUE_PARTITIONS is the minimum"},
		"no local activities":             {"WORKER_LOCAL_ACTIVITY_SLOTS=0", "WORKER_LOCAL_ACTIVITY_SLOTS: must be from 1 to 10000"},
		"no partition":                    {"WORKER_QUEUE_PARTITIONS=0", "WORKER_QUEUE_PARTITIONS: must be from 1 to 100"},
		"no cache":                        {"WORKER_CACHED_ORDERS=0", "WORKER_CACHED_ORDERS: must be from 1 to 1000000"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Load[config.Worker]([]string{test.variable})
			require.EqualError(t, err, test.want)
		})
	}
	t.Run("more partitions raise every minimum", func(t *testing.T) {
		t.Parallel()
		_, err := config.Load[config.Worker]([]string{"WORKER_QUEUE_PARTITIONS=17"})
		require.EqualError(t, err, "WORKER_ACTIVITY_POLLERS: must be from 17 to 10000: WORKER_QUEUE_PARTITIONS is the minimum\n"+
			"WORKER_EMAIL_SLOTS: must be from 17 to 10000: WORKER_QUEUE_PARTITIONS is the minimum\n"+
			"WORKER_WORKFLOW_POLLERS: must be from 17 to 10000: WORKER_QUEUE_PARTITIONS is the minimum\nWORKER_WORKFLOW_SLOTS: must be from 34 to 10000: twice WORKER_QUEUE_PARTITIONS is the minimum")
	})
}

type storeSettings struct {
	config.KurrentDB
	Worker config.Worker
	From   string `env:"EMAIL_FROM,required"`
}

func TestWorker_Unneeded(t *testing.T) {
	t.Parallel()
	const events, from = "KURRENTDB_URL: is required", "EMAIL_FROM: is required"
	for queues, want := range map[string]string{
		"order-fulfillment,order-email":  from + "\n" + events,
		"order-fulfillment":              events,
		"order-email, order-fulfillment": from + "\n" + events,
		"order-email":                    from,
		" order-reconcile ":              events,
	} {
		_, err := config.Load[storeSettings]([]string{"WORKER_QUEUES=" + queues})
		require.EqualError(t, err, want, queues)
	}
	t.Run("still reports a value that cannot be read", func(t *testing.T) {
		t.Parallel()
		_, err := config.Load[storeSettings]([]string{"WORKER_QUEUES=order-email", "EMAIL_FROM=x", "KURRENTDB_URL_FILE=" + t.TempDir() + "/none"})
		require.EqualError(t, err, "KURRENTDB_URL_FILE: names a file that cannot be read: no such file or directory")
	})
}
