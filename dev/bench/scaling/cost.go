package main

// What one order costs that is placed, reserved, confirmed and shipped. docs/orders.md has
// the numbers of the worker, and a test counts them. The bytes were measured
// once, on PostgreSQL 15 with 2,000 orders of two lines, and are those of docs/scaling.md.
const (
	// In Temporal.
	historyEvents = 26
	workflowTasks = 4
	billedActions = 8
	payloadBytes  = 6 << 10 // at most: inputs, results, search attributes, memo and headers

	// transitions are the writes of the history service: the start, two for each workflow
	// task and each regular activity, which here sends an email, and the message that ships
	// the order.
	transitions = 1 + 2*workflowTasks + 2*emails + 1

	// In PostgreSQL, by the worker.
	sqlStatements   = 22
	sqlTransactions = 6
	rowBytes        = 1_600 // of the order, its lines and its emails, with their indexes
	versionBytes    = 1_700 // of both versions in the history, until they are pruned
	viewBytes       = 400   // of the order in the customer view
	walBytes        = 9_400 // of the log, of which the view is 2,100

	// In KurrentDB: the order, the reservation, the approval and the shipment, and a link
	// to each in its category.
	appendedEvents = 4
	linkedEvents   = 4
	kurrentReads   = 3
	eventBytes     = 2_300 // of the events other than the order
	linkBytes      = 150

	emails = 2
)
