// Package e2e tests orders through the whole stack. It builds the real binaries, has
// dev/local run them with a Temporal server, PostgreSQL and the simulators of KurrentDB
// and SES, and checks the contents of the stores. It contains tests only; the behavior of
// a single part is tested in that part. With -secure they run once more, with TLS, a user
// and a role for each binary, and encrypted payloads.
package e2e
