// Package bridgeproperty tests one property of package bridge: for random events, outages,
// redeliveries and crashes, each event has exactly the outcome that its route says, none is
// lost, and none waits behind another without need.
//
// It owns the model of these outcomes, the faults, and the comparison. It knows package
// bridge by its public interface alone, and no orders. All of it is in test files.
//
// # How the parts meet
//
//  1. A seed decides everything but the timing. generate (scenarios_test.go) draws scenarios
//     until they have as many events as wanted. Each scenario is about one workflow id: some
//     events (events_test.go) with what their routes (routes_test.go) allow for each.
//  2. Three bridges share a group. Each is a process (process_test.go), the test binary
//     itself, with a fault proxy before KurrentDB and another before Temporal (rig_test.go).
//     It writes the outcome of each event to a file, which the test reads
//     (outcomes_test.go).
//  3. appendUnderFaults (faults_test.go) appends the events to a category of their own. At
//     each step something else fails: a proxy refuses, resets, cuts or stalls connections, a
//     bridge is killed while it has events in hand or is stopped, the group's message timeout
//     changes, which makes the server deliver again what the bridges hold. Now and then all
//     parked events are replayed.
//  4. After the faults the group must become idle. judge (judge_test.go) reads the history
//     of every workflow and the parked events, and compares them with the model. Then all
//     parked events are replayed, and those that may only have come too early must take
//     effect, while the others must be parked again for the same reason. Some are parked
//     more than once by then, for a changed group delivers again what was parked last.
//
// A second test holds as many events open as may wait, and requires that others are done
// meanwhile.
//
// make bridge-property runs both with any number of events, and repeats a run with its
// seed. It starts kurrentsim and a Temporal development server; with -kurrentdb it uses a
// KurrentDB that runs, of which it needs the rights of an administrator. A run takes
// minutes, so a failing one is repeated and not shrunk.
package bridgeproperty
