#!/bin/sh
# Runs the official client's own test suite, unmodified, against kurrentsim. Prints a line
# per suite, then the total. Exits 1 if a suite fails. The suite's ports and credentials are
# fixed: 2114 plain, 2115 with TLS as admin:changeit.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
server=
finish() {
	if [ -n "$server" ]; then
		kill "$server" 2>/dev/null || true
		wait "$server" || true
	fi
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

cd "$root"
module=$(go list -m -f '{{.Dir}}' github.com/kurrent-io/KurrentDB-Client-Go)
go build -o "$work/kurrentsim" ./dev/kurrentsim/cmd/kurrentsim
# Built in the module, with the dependencies that the client's authors chose.
go test -C "$module" -c -o "$work/suite" ./test

"$work/kurrentsim" --listen 127.0.0.1:2114 --listen-tls 127.0.0.1:2115 --data "$work/data" --user admin:changeit \
	--tls-cert "$module/certs/node1/node.crt" --tls-key "$module/certs/node1/node.key" 2>"$work/server.log" &
server=$!
# Wait for the server's log, not for its port, which another process might hold.
until grep -q 'msg=serving' "$work/server.log"; do
	if ! kill -0 "$server" 2>/dev/null; then
		cat "$work/server.log" >&2
		echo "conformance: the client's suite can use no other ports than 2114 and 2115; both must be free" >&2
		exit 1
	fi
	sleep 0.1
done

count() { grep -c "^    --- $1: " "$work/$suite.log" || true; }
total_passed=0 total_failed=0 total_skipped=0 bad=
cd "$module/test" # the tests look for their certificates in their own folder
# One process per suite: a failing subscription suite ends its whole process.
for suite in TestAppendEventsSuite TestDeleteSuite TestConnectionSuite TestReadStreamSuite TestReadAllSuite \
	TestSubscriptionSuite TestSecureAuthenticationSuite TestInsecureAuthenticationSuite TestMultiAppendEventsSuite \
	TestPersistentSubscriptionReadSuite TestPersistentSubscriptionSuite; do
	status=0
	"$work/suite" -test.count=1 -test.timeout 120s -test.v -test.run "^$suite\$" >"$work/$suite.log" 2>&1 || status=$?
	passed=$(count PASS) failed=$(count FAIL) skipped=$(count SKIP)
	# A suite that exits with an error or runs nothing has failed, even if it does not report
	# which test did.
	if [ "$status" -ne 0 ] || [ $((passed + skipped)) -eq 0 ]; then
		bad=1
		[ "$failed" -gt 0 ] || failed=1
		cat "$work/$suite.log" >&2
	fi
	echo "$suite: $passed passed, $failed failed, $skipped skipped"
	total_passed=$((total_passed + passed)) total_failed=$((total_failed + failed)) total_skipped=$((total_skipped + skipped))
done
echo "total: $total_passed passed, $total_failed failed, $total_skipped skipped"
[ -z "$bad" ]
