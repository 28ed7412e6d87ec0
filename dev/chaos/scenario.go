package main

import (
	"slices"
	"time"

	"orderflow/dev/chaos/internal/fault"
	"orderflow/dev/chaos/internal/load"
	"orderflow/dev/chaos/internal/rig"
)

// soak is the default scenario: all faults, sized by time.
const soak = "soak"

// scenario is a named run: a number of orders, faults and variables. To add one, add a
// row.
type scenario struct {
	name           string
	about          string
	orders         int // 0 means as many as fit the minutes
	rate           float64
	orderScenarios map[string]int // by weight; nil means all
	hot            float64        // the share of orders placed by one customer
	creditPerOrder int64          // that customer's credit per order, in cents; 0 means most of them fit
	mail           load.MailFaults
	pace           time.Duration
	faults         []fault.Kind // nil means all, empty means none
	faultRate      float64      // multiplies the frequency of faults; 0 means 1
	variables      map[string]string
	putBack        string // the store that is put back to an earlier moment, if any
	upgrades       bool   // it begins with the binaries of a release
	emailEvents    bool   // workers consume the provider's events
	breaks         string // prefix of the names of what breaks; empty means everything
	workers        int    // 0 means two
	starters       int    // 0 means two
	publishers     int
	projectors     int
	apis           int
}

// scenarios returns all scenarios, in the order in which they are listed.
func scenarios() []scenario {
	return slices.Concat(generalScenarios(), undisturbedScenarios(), processScenarios(), postgresScenarios(), callerScenarios(), drillScenarios())
}

// few is the number of orders of a short run.
const few = 60

func noFaults() []fault.Kind { return []fault.Kind{} }

func shortHold() map[string]string { return map[string]string{"CREDIT_HOLD": "5s"} }

func shippedOnly() map[string]int {
	return map[string]int{"shipped-by-signal": 1, "shipped-by-update": 1}
}

// generalScenarios concern the whole system.
func generalScenarios() []scenario {
	return []scenario{
		{
			name: soak, about: "everything breaks while orders take every path, for --minutes",
			rate: 8, hot: 0.2, mail: load.MailFaults{Throttled: 0.05, Error: 0.02, Lost: 0.02}, publishers: 1, projectors: 1,
			apis: 2,
		},
		{name: "steady", about: "orders take every path and nothing breaks", orders: few, rate: 20, hot: 0.2, faults: noFaults(), variables: shortHold()},
		{
			name: "lost-answers", about: "requests arrive and their responses are lost",
			orders: few, rate: 5, orderScenarios: shippedOnly(), faults: []fault.Kind{fault.LostAnswer}, faultRate: 10,
		},
		{
			name: "crash", about: "orders for --crashes and --only, and nothing else breaks", orders: few, rate: 10, faults: noFaults(), variables: shortHold(), publishers: 1,
			projectors: 1, apis: 1,
		},
	}
}

// undisturbedScenarios concern what customers and the email provider do.
func undisturbedScenarios() []scenario {
	return []scenario{
		{
			name: "hot-customer", about: "one customer places everything at once, by two workers",
			orders: 2 * few, rate: 60, hot: 1, orderScenarios: map[string]int{"left": 2, "paid-first": 1, "cancelled-by-signal": 1}, faults: noFaults(),
			variables: shortHold(),
		},
		{
			name: "scarce-credit", about: "one customer has credit for few of the orders placed at once, by four workers",
			orders: 4 * few, rate: 150, hot: 1, creditPerOrder: 200_00, workers: 4, pace: time.Second, faults: noFaults(), variables: map[string]string{"CREDIT_HOLD": "0s"},
			orderScenarios: map[string]int{"left": 1, "paid-twice": 2, "cancelled-by-event": 2},
		},
		{
			name: "mail-lost", about: "the provider accepts emails and its responses are lost",
			orders: few, rate: 20, orderScenarios: shippedOnly(), mail: load.MailFaults{Lost: 1}, faults: noFaults(),
		},
		{
			name: "email-events", about: "emails bounce and are complained about, responses are lost, and workers that consume the events die and are cut off",
			orders: 3 * few, rate: 10, pace: 3 * time.Second, orderScenarios: shippedOnly(), mail: load.MailFaults{Lost: 0.2, Bounced: 0.2, Complained: 0.1},
			emailEvents: true, faults: []fault.Kind{fault.Kill, fault.CutOff, fault.LostAnswer}, faultRate: 5, breaks: rig.Worker,
		},
		{
			name: "repeats", about: "orders are placed again by the same event, closed ones too",
			orders: few, rate: 30, pace: 8 * time.Second, faults: noFaults(), orderScenarios: map[string]int{"duplicate-event": 1},
			variables: map[string]string{"CREDIT_HOLD": "0s", "CREDIT_DEFAULT_LIMIT": "2000.00"},
		},
		{
			name: "cancel", about: "orders are canceled in every way, at any moment",
			orders: 2 * few, rate: 20, pace: time.Second, faults: noFaults(), orderScenarios: map[string]int{
				"cancelled-by-signal": 1, "cancelled-by-update": 1, "cancelled-natively": 2, "cancelled-by-event": 1,
				"cancelled-first": 1, "closing-race": 1,
			},
		},
	}
}

// processScenarios concern processes and servers that stop or are cut off.
func processScenarios() []scenario {
	return []scenario{
		{
			name: "erase", about: "customers are erased as soon as their orders are closed, while processes die",
			orders: few, rate: 10, orderScenarios: map[string]int{"forgotten": 4, "left": 1}, faults: []fault.Kind{fault.Kill, fault.Pause}, faultRate: 3,
		},
		{
			name: "redeliver", about: "starters die and pause while they hold events",
			orders: 2 * few, rate: 10, orderScenarios: shippedOnly(), faults: []fault.Kind{fault.Kill, fault.Pause}, faultRate: 3,
			variables: map[string]string{"STARTER_MESSAGE_TIMEOUT": "2s"},
		},
		{
			name: "temporal-away", about: "Temporal is down for longer than a starter holds an event",
			orders: 3 * few, rate: 15, orderScenarios: map[string]int{"left": 1},
			faults: []fault.Kind{fault.Outage}, faultRate: 50, breaks: rig.Temporal,
			variables: map[string]string{"STARTER_MESSAGE_TIMEOUT": "2s", "CREDIT_HOLD": "0s"},
		},
		{
			name: "publisher", about: "a publisher is cut off and dies while it holds versions",
			orders: 4 * few, rate: 20, pace: time.Second, orderScenarios: shippedOnly(), publishers: 1,
			faults: []fault.Kind{fault.CutOff}, faultRate: 40, breaks: rig.Publisher,
		},
		{
			name: "late-decisions", about: "operators decide when a hold is about to end, and no worker runs",
			orders: few, rate: 5, pace: time.Second, orderScenarios: map[string]int{"decided-late": 1},
			faults: []fault.Kind{fault.Absence}, faultRate: 20, breaks: rig.Worker, variables: map[string]string{"CREDIT_HOLD": "4s"},
		},
	}
}

// postgresScenarios concern standbys of PostgreSQL.
func postgresScenarios() []scenario {
	closing := map[string]int{
		"left": 2, "shipped-by-signal": 3, "shipped-by-update": 3, "shipped-early": 2, "cancelled-by-signal": 2, "cancelled-by-event": 1,
		"cancelled-natively": 1, "approved": 1, "expired": 1,
	}
	return []scenario{
		{
			name: "failover", about: "a standby of PostgreSQL that lags is promoted while orders close",
			orders: 3 * few, rate: 10, pace: 5 * time.Second, publishers: 1, projectors: 1,
			faults: []fault.Kind{fault.Failover}, faultRate: 10, breaks: rig.Postgres, orderScenarios: closing, variables: shortHold(),
		},
		{
			name: "failover-unpublished", about: "the same without a publisher, so that what is lost is not published",
			orders: 3 * few, rate: 10, pace: 5 * time.Second,
			faults: []fault.Kind{fault.Failover}, faultRate: 10, breaks: rig.Postgres, orderScenarios: closing, variables: shortHold(),
		},
		{
			name: "read-only", about: "the name of PostgreSQL leads to a standby for a while, and no process is restarted",
			orders: 2 * few, rate: 10, pace: 2 * time.Second, publishers: 1, projectors: 1, apis: 1,
			faults: []fault.Kind{fault.ReadOnly}, faultRate: 5, breaks: rig.Postgres,
			orderScenarios: map[string]int{"left": 1, "shipped-by-signal": 2, "shipped-by-update": 2, "cancelled-by-signal": 1},
		},
	}
}

// callerScenarios concern operators and clients of the api.
func callerScenarios() []scenario {
	return []scenario{
		{
			name: "operator", about: "an operator changes the starters' group and stops the projection that fills its stream, then undoes both",
			orders: 3 * few, rate: 10, pace: 2 * time.Second,
			faults: []fault.Kind{fault.Unlinked, fault.Unfilled}, faultRate: 10, breaks: rig.KurrentDB,
			orderScenarios: map[string]int{"left": 2, "shipped-by-signal": 1, "cancelled-by-event": 2, "paid-and-shipped": 1},
		},
		{
			name: "http", about: "orders are placed and canceled by HTTP, and responses are lost",
			orders: 2 * few, rate: 15, pace: 2 * time.Second, apis: 2, faults: []fault.Kind{fault.LostAnswer}, faultRate: 10, breaks: rig.Client,
			orderScenarios: map[string]int{"posted-twice": 2, "shipped-by-update": 1, "cancelled-by-http": 2, "cancelled-at-once": 1, "opened-by-http": 1},
		},
	}
}

// drillScenarios are the drills: while orders are placed, a store is put back to an
// earlier moment and the documented commands repair what that lost; or all binaries are
// upgraded.
func drillScenarios() []scenario {
	orderScenarios := map[string]int{
		"left": 4, "shipped-by-signal": 6, "shipped-by-update": 6, "shipped-early": 2, "shipped-twice": 2, "cancelled-by-signal": 3,
		"cancelled-by-update": 2, "cancelled-natively": 2, "cancelled-by-event": 2, "cancelled-first": 1, "closing-race": 3,
		"paid-and-shipped": 3, "paid-twice": 2, "paid-early": 1, "approved": 3, "declined": 1, "expired": 1, "duplicate-event": 1,
		"intruded": 1, "invalid": 1, "posted-twice": 2, "cancelled-by-http": 2, "opened-by-http": 1,
	}
	drill := func(store string, apis int) scenario {
		return scenario{
			name: "restore-" + store, about: store + " is put back to an earlier moment while orders are placed",
			rate: 4, pace: 5 * time.Second, publishers: 1, projectors: 1, apis: apis, hot: 0.2,
			faults: noFaults(), putBack: store, orderScenarios: orderScenarios, variables: shortHold(),
		}
	}
	// Without an api: who places orders by HTTP has no event to append again.
	upgrade := drill("", 2)
	upgrade.name, upgrade.about, upgrade.upgrades = "upgrade", "the binaries of a release are replaced by the present ones", true
	return []scenario{drill(rig.Postgres, 1), drill(rig.Temporal, 1), drill(rig.KurrentDB, 0), upgrade}
}

func findScenario(name string) (scenario, bool) {
	for _, s := range scenarios() {
		if s.name == name {
			return s, true
		}
	}
	return scenario{}, false
}

func scenarioNames() []string {
	var names []string
	for _, s := range scenarios() {
		names = append(names, s.name)
	}
	return names
}

// window returns how long orders are placed.
func (s scenario) window(minutes float64) time.Duration {
	if s.orders == 0 {
		return time.Duration(minutes * float64(time.Minute))
	}
	return time.Duration(float64(s.orders)/s.rate*float64(time.Second)) + time.Second
}
