// Package bridge starts and messages Temporal workflows for the events of KurrentDB.
//
// A Bridge takes events from a group of a persistent subscription, and for each has its
// Route compute what to do: Start, Signal, SignalWithStart, UpdateWithStart or Ignore. It
// acknowledges an event when that has taken effect. An event therefore takes effect at
// least once; package bridge makes a repeated start or update a duplicate, and a
// workflow must tolerate a repeated signal. Events of one stream may take effect in any
// order.
//
// The package owns how an event takes effect, when it is tried again, and when it counts
// as handled. It leaves to its routes what an event means, and knows no orders. It never
// writes an event.
//
// # From an event to its workflow
//
//  1. Bridge.Run (bridge.go) runs one session after another, with backoff. A session
//     checks that a projection fills the subscription's stream (projection.go), that the
//     group exists and loses no events, and that Temporal responds. Then it joins the
//     group.
//  2. intake (intake.go) takes the events of one session: receive waits for a free slot
//     and then for the next delivery, and begin passes each delivery to a handler, a
//     goroutine that has one event at a time.
//  3. intake.handle (handle.go) repeats attempts at the event's effect. An attempt
//     resolves the delivered link to its event (resolve.go), asks the Router for the
//     event's action (router.go), and applies that (start.go, message.go).
//  4. After a failed attempt, nextStep decides by Classify (classify.go): the event is
//     tried again with backoff, or waits without a slot until it can take effect
//     (waiting.go), or has been refused so often that either the event or the namespace
//     is at fault (refusal.go).
//  5. handle acknowledges the event, parks it with the reason, or returns it to the
//     server. After any failure before that, the server redelivers it, and its effect is
//     found to be a duplicate.
//
// # Failures
//
//   - The event can never take effect: it is parked, for an operator to replay or drop
//     (parked.go).
//   - It cannot take effect yet: it waits, and holds up no other event while as many wait
//     as are handled at once.
//   - Temporal is unavailable: the events in hand are retried for half a message timeout.
//     Then the session ends, so that the server keeps the events, and the next one begins
//     once Temporal responds.
//   - KurrentDB is unavailable: the session ends, and its events in hand are abandoned.
//   - The subscription is open and delivers nothing: watch (watch.go), which asks the
//     server about its group, ends the session.
//   - An operator has to act, for example on rights or on settings of the group: that is
//     an obstacle (obstacles.go), and the bridge is not ready while there is one.
//   - The server leaves out what it cannot parse: no bridge sees it, but Unlinked
//     (unlinked.go) finds it.
//   - The bridge stops: intake.finish waits for the events in hand within the drain
//     timeout.
package bridge
