-- The roles of Orderflow's binaries, with the grants that each needs and no more.
--
-- `orderflow setup` runs these steps. To run them by hand, as a superuser, after `orderflow migrate`, in the database of
-- Orderflow:
--
--     psql -v ON_ERROR_STOP=1 -d orderflow -f deploy/roles.sql
--
-- It may be run again: existing roles are kept, and grants are repeated. Roles are created without a password. Set one for
-- each, for example with psql's \password, which keeps it out of the server's log:
--
--     \password orderflow_worker
--
-- In a database that PostgreSQL 14 or older created, every role may create functions in the schema public, and one that the
-- triggers call runs as the owner of the tables. `orderflow setup` and `orderflow doctor` report that. It ends with
--
--     REVOKE CREATE ON SCHEMA public FROM PUBLIC;
--
-- A line `-- step: KIND ROLE` begins a step. CREATE ROLE has no IF NOT EXISTS, hence the blocks.

-- step: role orderflow_worker
DO $$ BEGIN IF to_regrole('orderflow_worker') IS NULL THEN CREATE ROLE orderflow_worker LOGIN; END IF; END $$;

-- step: role orderflow_reconcile
DO $$ BEGIN IF to_regrole('orderflow_reconcile') IS NULL THEN CREATE ROLE orderflow_reconcile LOGIN; END IF; END $$;

-- step: role orderflow_projector
DO $$ BEGIN IF to_regrole('orderflow_projector') IS NULL THEN CREATE ROLE orderflow_projector LOGIN; END IF; END $$;

-- step: role orderflow_api
DO $$ BEGIN IF to_regrole('orderflow_api') IS NULL THEN CREATE ROLE orderflow_api LOGIN; END IF; END $$;

-- step: role orderflow_publisher
DO $$ BEGIN IF to_regrole('orderflow_publisher') IS NULL THEN CREATE ROLE orderflow_publisher LOGIN; END IF; END $$;

-- Worker, `orderflow email` and `orderflow erase`: orders' rows, the email ledger, the lease of the global metrics.
-- step: grants orderflow_worker
SELECT orderflow_grant_worker('orderflow_worker');

-- `orderflow reconcile`: what orders and emails came to, without names and addresses. The starter itself needs no PostgreSQL.
-- step: grants orderflow_reconcile
SELECT orderflow_grant_reconcile('orderflow_reconcile');

-- Projector and `orderflow view rebuild`: the customer view.
-- step: grants orderflow_projector
SELECT orderflow_grant_projector('orderflow_projector');

-- Api: orders, emails and the customer view, read-only, without names and addresses.
-- step: grants orderflow_api
SELECT orderflow_grant_api('orderflow_api');

-- Publisher: the history and its own tables.
-- step: grants orderflow_publisher
SELECT orderflow_grant_publisher('orderflow_publisher');

-- REPLICATION lets a role read the whole cluster through the log, names and addresses included, whatever its grants say: use
-- this role for the publisher alone. Amazon RDS has the role rds_replication instead. The replication slot is created by `orderflow setup` or `orderflow publisher setup`.
-- step: replication orderflow_publisher
DO $$ BEGIN IF NOT (SELECT rolreplication OR rolsuper OR coalesce(pg_has_role(oid, to_regrole('rds_replication')::oid, 'MEMBER'), false) FROM pg_roles WHERE rolname = 'orderflow_publisher') THEN IF to_regrole('rds_replication') IS NULL THEN ALTER ROLE orderflow_publisher REPLICATION; ELSE GRANT rds_replication TO orderflow_publisher; END IF; END IF; END $$;
