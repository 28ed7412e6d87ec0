#!/bin/sh
# Brings the schemas of Temporal's databases up to the version of this image. It may run again. The tool reads SQL_*.
set -eu
SQL_PASSWORD=$(cat /run/secrets/temporal_postgres_password)
export SQL_PASSWORD
schemas=/etc/temporal/schema/postgresql/v12
for pair in temporal:temporal temporal_visibility:visibility; do
  database=${pair%%:*} schema=${pair##*:}
  temporal-sql-tool --db "$database" setup-schema -v 0.0 # keeps a later version
  temporal-sql-tool --db "$database" update-schema -d "$schemas/$schema/versioned"
done
