package postgres

import (
	"context"
	"fmt"
)

// missingWorkerRights lists what orderflow_grant_worker grants and the session's role
// lacks. It fails if a table does not exist.
const missingWorkerRights = `
SELECT coalesce(string_agg(privilege || ' on ' || relation, ', ' ORDER BY relation, privilege), '')
FROM (VALUES
    ('order_fulfillment', 'SELECT'), ('order_fulfillment', 'INSERT'), ('order_fulfillment', 'UPDATE'),
    ('order_fulfillment_line', 'SELECT'), ('order_fulfillment_line', 'INSERT'),
    ('email_delivery', 'SELECT'), ('email_delivery', 'INSERT'), ('email_delivery', 'UPDATE'),
    ('email_suppression', 'SELECT'), ('email_suppression', 'INSERT'), ('email_suppression', 'DELETE'),
    ('orderflow_lease', 'SELECT'), ('orderflow_lease', 'INSERT'), ('orderflow_lease', 'UPDATE')
) AS needed (relation, privilege)
WHERE NOT has_table_privilege('public.' || relation, privilege)`

// CheckWorker returns nil if a worker can work with the database: the server accepts
// writes, every migration of this binary has run, and the role has the worker's rights.
// It writes nothing.
func (p *Pool) CheckWorker(ctx context.Context) error {
	if err := p.Ping(ctx); err != nil {
		return err
	}
	if err := p.CheckSchema(ctx); err != nil {
		return err
	}
	ctx, cancel := p.withDeadline(ctx)
	defer cancel()
	var missing string
	if err := p.db.QueryRow(ctx, missingWorkerRights).Scan(&missing); err != nil {
		return describe("check rights", err)
	}
	if missing != "" {
		return fmt.Errorf("%w: %s", errMissingRights, missing)
	}
	return nil
}

// errMissingRights is returned if the role lacks rights that its program needs.
const errMissingRights = operatorError("the role lacks rights")
