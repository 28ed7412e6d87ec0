package main

import "orderflow/internal/subcommand"

func program() subcommand.Program {
	return subcommand.Program{Name: "starter", Summary: "bridge events from KurrentDB to Temporal", Commands: []subcommand.Command{
		{
			Name: "group create", Usage: "[--grant USER]",
			Summary: "make the subscription's group, and let a starter's user join it", Run: createGroup,
		},
		{
			Name: "reconcile", Usage: "[--since T] [--fix] [--grace D] [--wait D] [-o table|json]",
			Summary: "compare what was placed with workflows, credit and fulfilments", Run: reconcile,
		},
		{
			Name: "parked list", Usage: "[--from N] [--limit N] [-o table|json]",
			Summary: "list the events that can never have their effect, with the reason", Run: listParked,
		},
		{
			Name: "parked show", Usage: "N [--body] [-o table|json]",
			Summary: "print one of them; its body holds personal data, so it takes --body", Run: showParked,
		},
		{
			Name: "parked replay", Usage: "[--until N]",
			Summary: "hand those up to number N out again, or all: for a cause that is mended", Run: replayParked,
		},
		{
			Name: "parked drop", Usage: "--until N [--yes]",
			Summary: "give those up to number N up for good; asks, unless --yes is there", Run: dropParked,
		},
	}}
}
