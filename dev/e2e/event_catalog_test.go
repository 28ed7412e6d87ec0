package e2e_test

import (
	"context"
	"errors"
	"fmt"

	"orderflow/dev/eventcatalog"
	"orderflow/internal/kurrent"
)

// checkEvents holds every event that the product has written on the shared stack against
// the event catalog, and returns an error for those that it does not describe.
func checkEvents() error {
	if shared.stack == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	events, err := kurrent.Open(kurrent.Config{
		URL: shared.stack.environment["KURRENTDB_URL"], AllowPlaintext: true, CallTimeout: patience,
	})
	if err != nil {
		return err
	}
	defer events.Close()
	var faults []error
	err = events.Scan(ctx, kurrent.Scan{Types: eventcatalog.SentTypes()}, func(e kurrent.Event) error {
		if fault := eventcatalog.CheckSent(e.Stream, e.Type, e.Data); fault != nil {
			faults = append(faults, fmt.Errorf("event catalog: revision %d: %w", e.Revision, fault))
		}
		return nil
	})
	return errors.Join(append(faults, err)...)
}
