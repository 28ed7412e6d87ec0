package stack

import (
	"maps"

	"orderflow/dev/programs"
	"orderflow/dev/sessim"
)

// external records which parts this stack does not start.
type external struct{ kurrentdb, temporal, postgres, ses bool }

// externalIn returns the parts that an environment names.
func externalIn(e programs.Environment, realSES bool) external {
	return external{
		kurrentdb: e.Has("KURRENTDB_URL"), temporal: e.Has("TEMPORAL_ADDRESS"), postgres: e.Has("POSTGRES_URL"),
		ses: realSES || e.Has("AWS_ENDPOINT_URL_SESV2"),
	}
}

// ofBinaries returns the environment of the real binaries: that of this process, led to
// the parts that run here.
func ofBinaries(e programs.Environment, d Description, mine external, hold string, realSES bool) programs.Environment {
	own := programs.Servers{KurrentDB: d.KurrentDBURL, Temporal: d.TemporalAddress, Postgres: d.PostgresURL, SES: d.SESURL,
		Events: d.SESURL + sessim.EventsQueuePath}
	if mine.kurrentdb {
		own.KurrentDB = ""
	}
	if mine.temporal {
		own.Temporal = ""
	}
	if mine.ses {
		own.SES = ""
	}
	all := maps.Clone(e)
	all.LeadTo(own)
	if !realSES {
		all.EmulateSES()
	}
	all.SetDefault("CREDIT_HOLD", hold)
	return all
}
