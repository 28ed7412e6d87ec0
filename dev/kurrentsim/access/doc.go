// Package access decides who may do what, as KurrentDB's access control lists do: pure, without the log and the wire.
//
// A caller is a user, or anonymous. A call needs nothing, any user, an operator, or a right on a stream. Rights on a stream
// come from its own metadata ($acl); what that leaves out from the newest event of $settings; what that leaves out too from
// the server's defaults: streams of users' names are open to every user, system streams to $admins alone.
package access
