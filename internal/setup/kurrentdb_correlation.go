package setup

import (
	"context"

	"orderflow/internal/kurrent"
)

// correlated reports the projection that links all events of a correlation id, unless it
// is stopped. It opens the stream of each id, $bc-ID, to every user, so there is no list of
// streams to close, and a user who knows an id reads the order that was placed with it. It is
// left to a person, because other programs may read those streams. With KeepCorrelation a
// person has decided.
func (k *kurrentRun) correlated(ctx context.Context) {
	const step = "projection " + kurrent.ByCorrelation
	switch status, err := k.Client.Projection(ctx, kurrent.ByCorrelation); {
	case err != nil:
		k.fail(KurrentDB, step, err)
	case status == kurrent.ProjectionAbsent || status == kurrent.ProjectionStopped:
	case k.KeepCorrelation:
		k.add(KurrentDB, step, Skipped, "kept by --keep-correlation: it is "+string(status)+", and every user may read what it links on $bc-ID")
	default:
		k.add(KurrentDB, step, Left, "it is "+string(status)+", and every user may read what it links on $bc-ID",
			"curl -u ADMIN --cacert CA -X POST 'https://HOST:2113/projection/$by_correlation_id/command/disable'",
			"# and start KurrentDB with START_STANDARD_PROJECTIONS=false from now on: with true each start enables it again")
	}
}
