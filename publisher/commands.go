package main

import "orderflow/internal/subcommand"

func program() subcommand.Program {
	return subcommand.Program{Name: "publisher", Summary: "publish what PostgreSQL holds to KurrentDB", Commands: []subcommand.Command{
		{
			Name: "setup", Usage: "[--role NAME]",
			Summary: "make the role, its grants and the replication slot, as far as they are missing", Run: setUp,
		},
		{
			Name: "list", Usage: "[--limit N] [-o table|json]",
			Summary: "list the orders that are set aside, with the reason", Run: listSetAside,
		},
		{
			Name: "retry", Usage: "ORDER | --all",
			Summary: "publish what is set aside of an order, for a cause that is mended", Run: retry,
		},
		{
			Name: "snapshot", Summary: "have the whole history read once more, for an event store that was restored",
			Run: orderSnapshot,
		},
	}}
}
