package main

import "orderflow/internal/subcommand"

func program() subcommand.Program {
	return subcommand.Program{Name: "starter", Summary: "bridge events from KurrentDB to Temporal", Commands: []subcommand.Command{
		{
			Name: "group create", Usage: "[--grant USER]",
			Summary: "create the subscription's group, and grant a starter's user the right to join it", Run: createGroup,
		},
		{
			Name: "reconcile", Usage: "[--since T] [--fix] [--grace D] [--wait D] [-o table|json]",
			Summary: "compare the placed orders with workflows, credit and fulfillments", Run: reconcile,
		},
		{
			Name: "parked list", Usage: "[--from N] [--limit N] [-o table|json]",
			Summary: "list the parked events, with the reason each was parked for", Run: listParked,
		},
		{
			Name: "parked show", Usage: "N [--body] [-o table|json]",
			Summary: "print one parked event; its body, which holds personal data, only with --body", Run: showParked,
		},
		{
			Name: "parked replay", Usage: "[--until N]",
			Summary: "deliver the parked events up to number N again, or all, once the cause is fixed", Run: replayParked,
		},
		{
			Name: "parked drop", Usage: "--until N [--yes]",
			Summary: "drop the parked events up to number N permanently; asks first, unless --yes is given", Run: dropParked,
		},
	}}
}
