// Package compose checks deploy/compose/compose.yaml as Compose v2 reads it, and the
// build context of deploy/Dockerfile. It holds tests only.
package compose
