package rig

import (
	"context"
	"fmt"

	"go.temporal.io/api/workflowservice/v1"

	"orderflow/dev/bench/internal/report"
)

// Versions asks the servers for their versions.
func (r *Rig) Versions(ctx context.Context) (report.Servers, error) {
	info, err := r.Temporal.WorkflowService().GetSystemInfo(ctx, &workflowservice.GetSystemInfoRequest{})
	if err != nil {
		return report.Servers{}, fmt.Errorf("version of Temporal: %w", err)
	}
	var postgres string
	if err := r.DB.QueryRow(ctx, "SHOW server_version").Scan(&postgres); err != nil {
		return report.Servers{}, fmt.Errorf("version of PostgreSQL: %w", err)
	}
	kurrentdb, err := r.Events.ServerVersion(ctx)
	if err != nil {
		return report.Servers{}, fmt.Errorf("version of KurrentDB: %w", err)
	}
	return report.Servers{
		Temporal: info.GetServerVersion(), Postgres: postgres, KurrentDB: kurrentdb.String(),
		RealKurrentDB: r.external,
	}, nil
}
