// Api is the HTTP interface: it places, cancels and looks up orders, opens credit
// accounts and changes their limits, returns customer views, and has an HTML page.
//
// It owns everything about HTTP: the routes, what a request may contain, who may call,
// and the wording of errors. It makes no business decisions: orders are appended to
// KurrentDB, canceled by their workflow and read from PostgreSQL.
package main

import (
	"os"

	"orderflow/internal/ops"
)

func main() {
	os.Exit(ops.Program{Name: "api", Summary: "Answer HTTP requests about orders and customers until stopped.", Run: run}.Main())
}
