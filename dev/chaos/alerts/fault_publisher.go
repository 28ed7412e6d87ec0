package main

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orderflow/dev/chaos/internal/rig"
	"orderflow/internal/fulfillment"
	"orderflow/internal/kurrent"
)

func publisherFaults() []fault {
	return []fault{
		{"slot-lost", "the publisher's replication slot is dropped", slotLost, []string{"OrderflowPublisherRebuilt"}, []string{"OrderflowNoLeader", "OrderflowPublisherLag"}},
		{"publication-filtered", "the publication leaves out inserts", publicationFiltered,
			[]string{"OrderflowPublicationIncomplete"}, []string{"OrderflowPublisherRebuilt", "OrderflowCheckFailing", "OrderflowNoLeader", "OrderflowPublisherLag"}},
		{"stream-of-another", "another writer has written to an order's stream of published events", intruded, []string{"OrderflowPublisherSetAside"}, nil},
		{"publisher-hangs", "KurrentDB does not respond to the publisher", hanging(rig.Publisher, rig.KurrentDB),
			[]string{"OrderflowPublisherLag", "OrderflowCheckFailing"}, []string{"OrderflowNoLeader"}},
		{"projector-hangs", "KurrentDB does not respond to the projector", hanging(rig.Projector, rig.KurrentDB),
			[]string{"OrderflowProjectorLag", "OrderflowCheckFailing"}, []string{"OrderflowNoLeader", "OrderflowCategoryWaiting"}},
		{"view-refuses", "PostgreSQL rejects an order in the customer view", viewRefuses, []string{"OrderflowProjectorRefused"}, []string{"OrderflowProjectorLag"}},
	}
}

func healed(context.Context) error { return nil }

// slotLost drops the slot as soon as nothing holds it: the product makes another.
func slotLost(ctx context.Context, s *session) (func(context.Context) error, error) {
	return healed, until(ctx, healTimeout, func(ctx context.Context) error {
		return s.sql(ctx, `SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_type = 'logical' AND active`,
			`SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_type = 'logical'`)
	})
}

func publicationFiltered(ctx context.Context, s *session) (func(context.Context) error, error) {
	heal := func(ctx context.Context) error {
		return s.rig.Run(ctx, rig.Orderflow, "setup", "--only", "postgres", "--without-passwords")
	}
	return heal, s.sql(ctx, `ALTER PUBLICATION orderflow SET (publish = 'update')`)
}

// intruded writes to the stream of an order before the publisher does. What it wrote cannot
// be taken back, so the repair removes the order from those that are set aside.
func intruded(ctx context.Context, s *session) (func(context.Context) error, error) {
	id := newOrder()
	event := kurrent.NewEvent{ID: uuid.New(), Type: "note-added", Data: []byte(`{}`)}
	if _, err := s.stores.Events.Append(ctx, fulfillment.Stream(id), kurrent.NoStream(), event); err != nil {
		return nil, err
	}
	heal := func(ctx context.Context) error {
		return s.sql(ctx, `DELETE FROM publisher_set_aside WHERE order_id = '`+id+`'`)
	}
	return heal, s.post(ctx, id, "USD100.00")
}

// viewRefuses adds a constraint that one order violates. The repair removes it, and builds
// the view again, which lacks the order.
func viewRefuses(ctx context.Context, s *session) (func(context.Context) error, error) {
	id := newOrder()
	if err := s.sql(ctx, `ALTER TABLE customer_order ADD CONSTRAINT alerts CHECK (order_id <> '`+id+`') NOT VALID`); err != nil {
		return nil, err
	}
	heal := func(ctx context.Context) error {
		if err := s.sql(ctx, `ALTER TABLE customer_order DROP CONSTRAINT alerts`); err != nil {
			return err
		}
		return s.rig.Run(ctx, rig.Orderflow, "view", "rebuild")
	}
	return heal, s.post(ctx, id, "USD100.00")
}

// sql runs statements as the owner of the database.
func (s *session) sql(ctx context.Context, statements ...string) error {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.rig.DatabaseURL())
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}
