// Starter is the bridge from KurrentDB to Temporal. It starts one workflow for every
// order placed, and passes on the other events of an order's stream.
//
// It owns the subscription, how many events are in hand, when one is tried again, and the
// decision when it counts as handled. Package routes owns what an event does in Temporal,
// and package workflows what a workflow does.
//
// # From an event to its workflow
//
//  1. bridge.run (bridge.go) runs one session after another, with backoff. A session
//     checks that a projection fills the subscription's stream (projection.go), that the
//     group exists and loses no events, and that Temporal responds. Then it joins the
//     group.
//  2. intake (intake.go) takes the events of one session: receive waits for a free slot
//     and then for the next delivery, and begin handles each delivery in its own
//     goroutine.
//  3. intake.handle (handle.go) repeats attempts at the event's effect. attempt resolves
//     the delivered link to its event, and [routes.Router] applies the event.
//  4. After a failed attempt, nextStep decides by [routes.Classify]: the event is tried
//     again with backoff, or waits without a slot until its order takes messages
//     (waiting.go), or has been refused so often that either the event or the namespace
//     is at fault (refusal.go).
//  5. handle acknowledges the event, parks it with the reason, or returns it to the
//     server. After any failure before that, the server redelivers it, and its effect is
//     found to be a duplicate.
//
// # Failures
//
//   - Temporal is unavailable: the events in hand are retried for half a message timeout.
//     Then the session ends, so that the server keeps the events, and the next one begins
//     once Temporal responds.
//   - KurrentDB is unavailable: the session ends, and its events in hand are abandoned.
//   - The subscription is open and delivers nothing: watch (watch.go), which asks the
//     server about its group, ends the session.
//   - An operator has to act, for example on rights or on settings of the group: that is
//     an obstacle (obstacles.go), and the bridge is not ready while there is one.
//   - The bridge stops: intake.finish waits for the events in hand within the shutdown
//     timeout.
package main
