package main

import "orderflow/internal/subcommand"

func program() subcommand.Program {
	return subcommand.Program{Name: "publisher", Summary: "publish fulfillment changes from PostgreSQL to KurrentDB", Commands: []subcommand.Command{
		{
			Name: "setup", Usage: "[--role NAME]",
			Summary: "create the role, its grants and the replication slot, as far as they are missing", Run: setUp,
		},
		{
			Name: "list", Usage: "[--limit N] [-o table|json]",
			Summary: "list the orders that are set aside, with the reason", Run: listSetAside,
		},
		{
			Name: "retry", Usage: "ORDER | --all",
			Summary: "publish orders that are set aside, once the cause is fixed", Run: retry,
		},
		{
			Name: "snapshot", Summary: "read the whole history again, after the event store was restored",
			Run: requestSnapshot,
		},
	}}
}
