package streams

import (
	"context"
	"errors"
	"fmt"

	"orderflow/internal/fulfillment"
	"orderflow/internal/kurrent"
)

// maxVersions bounds how many versions of one fulfillment are read. An order has two or
// three.
const maxVersions = 100

// ErrVersions is returned if an order's published versions cannot be read back: the
// stream was truncated, or is too long.
var ErrVersions = errors.New("published versions cannot be read back")

// Fulfillments reads the streams to which fulfillments are published,
// fulfillment-<order id>.
type Fulfillments struct{ *kurrent.Client }

// PublishedVersions returns what was published about an order's fulfillment, from
// revision 0 on. It returns none if nothing was published or the stream is deleted. An
// event of another writer ends the list, because the versions after it were never
// published. It returns ErrVersions if the stream has lost its beginning or holds 100
// events or more.
func (f Fulfillments) PublishedVersions(ctx context.Context, orderID string) ([]fulfillment.Version, error) {
	stream := fulfillment.Stream(orderID)
	var versions []fulfillment.Version
	err := f.ReadStream(ctx, stream, 0, maxVersions, func(e kurrent.Event) error {
		if e.Revision != uint64(len(versions)) {
			return fmt.Errorf("%w: %s continues at %d", ErrVersions, stream, e.Revision)
		}
		version, ok := versionOf(orderID, e)
		if !ok {
			return errFound
		}
		versions = append(versions, version)
		return nil
	})
	switch {
	case errors.Is(err, errFound), kurrent.IsGone(err):
		return versions, nil
	case err == nil && len(versions) == maxVersions:
		err = fmt.Errorf("%w: %s has %d events or more", ErrVersions, stream, maxVersions)
	}
	if err != nil {
		return nil, fmt.Errorf("read published versions: %w", err)
	}
	return versions, nil
}

// versionOf decodes the version that an event publishes, and reports whether it is the
// one of the event's own revision.
func versionOf(orderID string, e kurrent.Event) (fulfillment.Version, bool) {
	event, err := fulfillment.DecodeEvent(e.Data)
	if err != nil || event.OrderID != orderID || event.Revision != int64(e.Revision) {
		return fulfillment.Version{}, false
	}
	version, err := event.Version()
	return version, err == nil && version.OrderID == orderID && fulfillment.ValidStatus(version.Status)
}
