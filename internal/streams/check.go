package streams

import (
	"context"
	"fmt"

	"orderflow/internal/credit"
	"orderflow/internal/kurrent"
)

// The streams of an order and a customer that do not exist. Their names are within the
// rules for ids, so that the server treats them like any other.
const (
	checkedOrder    = "order-deployment-gate"
	checkedCustomer = "deployment-gate"
)

// CheckWorker returns nil if a worker may read what it reads in KurrentDB: the streams of
// orders, their metadata, by which a deleted order is told from one that never existed,
// and the streams of credit accounts. It reads streams that do not exist, to which the
// server applies the same default rights. It writes nothing, so the right to append is
// not checked.
func CheckWorker(ctx context.Context, client *kurrent.Client) error {
	for _, stream := range []string{checkedOrder, "$$" + checkedOrder, credit.Stream(checkedCustomer)} {
		if _, err := client.LastEvent(ctx, stream); err != nil && !kurrent.IsGone(err) {
			return fmt.Errorf("read %s: %w", stream, err)
		}
	}
	return nil
}
