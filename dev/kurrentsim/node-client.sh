#!/bin/sh
# Runs the tests in dev/kurrentsim/node, which make calls of the official Node client
# against kurrentsim. Exits 1 if one fails. Arguments are passed to node's test runner, as in
# --test-name-pattern=append.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
tests=$root/dev/kurrentsim/node
work=$(mktemp -d)
plain= secure= later=
finish() {
	for server in $plain $secure $later; do
		kill "$server" 2>/dev/null || true
		wait "$server" || true
	done
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

command -v npm >/dev/null || { echo 'node-client: npm is required' >&2; exit 1; }
recent() { "$1" -e 'const [major, minor] = process.versions.node.split("."); process.exit(major > 20 || major == 20 && minor >= 11 ? 0 : 1)'; }
node=$(command -v node || true)
# If Node is missing or older than the client allows, npm installs a newer one.
if [ -z "$node" ] || ! recent "$node"; then
	node=$root/.local/node/node_modules/.bin/node
	[ -x "$node" ] || npm install --silent --no-save --no-audit --no-fund --prefix "$root/.local/node" node@20.20.2 >&2
	recent "$node"
fi
# Install again only if the lock file has changed since the last installation.
[ "$tests/node_modules/.package-lock.json" -nt "$tests/package-lock.json" ] || npm ci --silent --prefix "$tests" >&2

cd "$root"
module=$(go list -m -f '{{.Dir}}' github.com/kurrent-io/KurrentDB-Client-Go)
go build -o "$work/kurrentsim" ./dev/kurrentsim/cmd/kurrentsim
"$work/kurrentsim" --listen 127.0.0.1:0 --data "$work/data" 2>"$work/plain.log" &
plain=$!
"$work/kurrentsim" --listen-tls 127.0.0.1:0 --user admin:changeit --user carla:secret \
	--tls-cert "$module/certs/node1/node.crt" --tls-key "$module/certs/node1/node.key" 2>"$work/secure.log" &
secure=$!
"$work/kurrentsim" --listen 127.0.0.1:0 --version-string 25.1.0 2>"$work/later.log" &
later=$!
# url LOG PID waits until a server serves and prints its URL.
url() {
	until grep -q 'msg=serving' "$1"; do
		kill -0 "$2" 2>/dev/null || { cat "$1" >&2; exit 1; }
		sleep 0.1
	done
	sed -n 's/.*msg=serving url="\([^"]*\)".*/\1/p' "$1"
}
KURRENTDB_URL=$(url "$work/plain.log" $plain)
KURRENTDB_TLS_URL="$(url "$work/secure.log" $secure)&tlsVerifyCert=false"
KURRENTDB_LATER_URL=$(url "$work/later.log" $later)
export KURRENTDB_URL KURRENTDB_TLS_URL KURRENTDB_LATER_URL
"$node" --test --test-reporter=spec --test-timeout=120000 "$@" "$tests"/*.test.js
