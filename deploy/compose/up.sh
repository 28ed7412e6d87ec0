#!/bin/sh
# Makes the secrets of compose.yaml that are missing, and starts everything:
#
#   deploy/compose/up.sh              builds the image, unless ORDERFLOW_IMAGE names one, and starts all services in the background
#   deploy/compose/up.sh --secrets    only makes the secrets
#
# Passwords are random, and stay as they are once they are made: the databases know them from their first start. Other
# arguments are those of `docker compose up`.
set -eu
cd "$(dirname "$0")"

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

# keep FILE TEXT: containers run as other users, so they must be able to read the file; the folder keeps other users of this
# machine out.
keep() {
  (umask 077 && printf '%s\n' "$2" >"secrets/.$1")
  chmod 0444 "secrets/.$1"
  mv "secrets/.$1" "secrets/$1"
}

mkdir -p secrets
chmod 0700 secrets
for name in postgres_password temporal_postgres_password api_token; do
  [ -s "secrets/$name" ] || keep "$name" "$(random)"
done
if [ ! -s secrets/postgres_roles.sql ]; then
  roles=
  for name in worker publisher projector api; do
    password=$(random)
    roles="${roles}CREATE ROLE orderflow_$name LOGIN PASSWORD '$password';
"
    keep "${name}_postgres_url" "postgres://orderflow_$name:$password@postgres:5432/orderflow?sslmode=disable"
  done
  password=$(cat secrets/postgres_password)
  keep setup_postgres_url "postgres://postgres:$password@postgres:5432/orderflow?sslmode=disable"
  # It comes last: a run that was interrupted before makes all of them again.
  keep postgres_roles.sql "${roles}CREATE ROLE orderflow_reconcile LOGIN PASSWORD '$(random)';"
fi

[ "${1-}" != --secrets ] || exit 0
# Compose says which image it uses, from the environment or .env. One that is built exists before `up`, which would otherwise try
# to pull it for the daemons: only the set-up says how to build it.
if docker compose --project-name orderflow config --images | grep -x orderflow:local >/dev/null; then
  docker compose --project-name orderflow build setup
fi
exec docker compose --project-name orderflow up --no-build --detach "$@"
