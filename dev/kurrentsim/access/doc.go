// Package access decides access by the rules of KurrentDB's access control lists. It is
// pure: it does not depend on the log or the wire.
//
// A caller is a user or anonymous. A call needs nothing, any user, an operator, or a
// right on a stream. Rights on a stream come from its own metadata ($acl). Rights missing
// there come from the newest event of $settings. Rights missing there too come from the
// server's defaults: streams with ordinary names are open to every user, system streams
// only to $admins.
package access
