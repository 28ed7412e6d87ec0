#!/bin/sh
# Runs the official client's own test suite, unmodified, against kurrentsim. The suite has its ports and credentials built
# in: 2114 plain, 2115 with TLS as admin:changeit; both must be free. Exits 1 when a suite fails.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
module=$(cd "$root" && go list -m -f '{{.Dir}}' github.com/kurrent-io/KurrentDB-Client-Go)
(cd "$root" && go build -o "$work/kurrentsim" ./deploy/kurrentsim)
# Built beside the module, with the dependencies the client's authors chose.
go test -C "$module" -c -o "$work/suite" ./test

"$work/kurrentsim" --listen 127.0.0.1:2114 --listen-tls 127.0.0.1:2115 --data "$work/data" --user admin:changeit \
	--tls-cert "$module/certs/node1/node.crt" --tls-key "$module/certs/node1/node.key" 2>"$work/server.log" &
server=$!
trap 'kill "$server" 2>/dev/null; wait "$server" || true; rm -rf "$work"' EXIT
tries=0
until curl -fs -o /dev/null http://127.0.0.1:2114/health/live; do
	tries=$((tries + 1))
	if [ "$tries" -gt 100 ] || ! kill -0 "$server" 2>/dev/null; then
		cat "$work/server.log" >&2
		exit 1
	fi
	sleep 0.1
done

# One process per suite: a subscription suite that fails takes its whole process down.
cd "$module/test"
failed=""
for suite in TestAppendEventsSuite TestDeleteSuite TestConnectionSuite TestReadStreamSuite TestReadAllSuite \
	TestSubscriptionSuite TestSecureAuthenticationSuite TestInsecureAuthenticationSuite TestMultiAppendEventsSuite \
	TestPersistentSubscriptionReadSuite TestPersistentSubscriptionSuite TestAppendRecordsSuite; do
	"$work/suite" -test.count=1 -test.timeout 120s -test.v -test.run "^$suite\$" >"$work/$suite.log" 2>&1 ||
		{ failed="$failed $suite"; cat "$work/$suite.log" >&2; }
	cat "$work/$suite.log" >>"$work/all.log"
done
count() { grep -c "^    --- $1: " "$work/all.log" || true; }
echo "passed $(count PASS), failed $(count FAIL), skipped $(count SKIP)"
if [ -n "$failed" ]; then
	echo "failing suites:$failed" >&2
	exit 1
fi
