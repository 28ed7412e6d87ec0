package main

import (
	"encoding/json"
	"fmt"

	"orderflow/dev/chaos/internal/fault"
	"orderflow/dev/chaos/internal/load"
)

// report is the result of a run.
type report struct {
	Command      string             `json:"command"`
	Seed         uint64             `json:"seed"`
	Scenario     string             `json:"scenario"`
	Minutes      float64            `json:"minutes"`
	Seconds      float64            `json:"seconds"` // of the whole run
	Placed       int                `json:"placed"`
	Orders       map[string]int     `json:"orders"`   // by scenario of the workload
	Statuses     map[string]int     `json:"statuses"` // by final status
	Duplicates   int                `json:"duplicatesOffered"`
	Faults       map[fault.Kind]int `json:"faults"`
	FaultTargets map[string]int     `json:"faultTargets"` // by kind and target
	HTTP         map[string]int     `json:"http"`         // requests by status, 0 for those without a response
	MailFaults   map[string]int     `json:"mailFaults"`
	UnknownMails int64              `json:"unknownMails"`
	Starts       map[string]int     `json:"starts"`  // by process
	Deaths       map[string]int     `json:"deaths"`  // by process and cause, of processes that were not stopped or killed
	Crashes      map[string]int     `json:"crashes"` // by failpoint
	DrainSeconds float64            `json:"drainSeconds"`
	Lost         []float64          `json:"lost"`                      // seconds whose commits PostgreSQL lost, by failover
	ByRelease    int                `json:"placedByRelease,omitempty"` // orders that were placed before the upgrade
	Restored     *restored          `json:"restored,omitempty"`
	Mended       []reconciled       `json:"mended"`    // by each reconcile --fix, before everything settled
	Reconcile    reconciled         `json:"reconcile"` // after everything settled
	Checker      json.RawMessage    `json:"checker,omitempty"`
	Violations   []load.Violation   `json:"violations"`
}

// reconciled holds the counts of the product's reconciliation.
type reconciled struct {
	Checked int `json:"checked"`
	Missing int `json:"missing"`
	Extra   int `json:"extra"`
	Held    int `json:"held"`
	Parked  int `json:"parked"`
	Fixed   int `json:"fixed"`
	Left    int `json:"left"`
}

// duplicates returns the number of orders that are placed more than once.
func duplicates(orders map[string]int) int {
	return orders["duplicate-event"] + orders["duplicate-order"]
}

func (s *session) print() error {
	s.report.Seconds = s.elapsed().Seconds()
	if s.report.Violations == nil {
		s.report.Violations = []load.Violation{}
	}
	body, err := json.MarshalIndent(s.report, "", "  ")
	if err == nil {
		_, err = fmt.Fprintf(s.stdout, "%s\n", body)
	}
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}
