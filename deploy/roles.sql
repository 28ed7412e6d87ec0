-- The roles of Orderflow's binaries, with the grants that each needs and no more.
--
-- Run it as a superuser, after `orderflow migrate`, in the database of Orderflow:
--
--     psql -v ON_ERROR_STOP=1 -d orderflow -f deploy/roles.sql
--
-- It may be run again: existing roles are kept, and grants are repeated. Roles are created without a password. Set one for
-- each, for example with psql's \password, which keeps it out of the server's log:
--
--     \password orderflow_worker

-- CREATE ROLE has no IF NOT EXISTS.
SELECT format('CREATE ROLE %I LOGIN', name)
FROM unnest(ARRAY['orderflow_worker', 'orderflow_reconcile', 'orderflow_projector', 'orderflow_api', 'orderflow_publisher']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec

-- Worker, `orderflow email` and `orderflow erase`: orders' rows, the email ledger, the lease of the global metrics.
SELECT orderflow_grant_worker('orderflow_worker');

-- `orderflow reconcile`: what orders and emails came to, without names and addresses. The starter itself needs no PostgreSQL.
SELECT orderflow_grant_reconcile('orderflow_reconcile');

-- Projector and `orderflow view rebuild`: the customer view.
SELECT orderflow_grant_projector('orderflow_projector');

-- Api: orders, emails and the customer view, read-only, without names and addresses.
SELECT orderflow_grant_api('orderflow_api');

-- Publisher: the history and its own tables. REPLICATION lets a role read the whole cluster through the log, names and
-- addresses included, whatever its grants say: use this role for the publisher alone. `orderflow publisher setup` does the same and
-- also creates the replication slot, so it still has to be run.
ALTER ROLE orderflow_publisher REPLICATION;
SELECT orderflow_grant_publisher('orderflow_publisher');
