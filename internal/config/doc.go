// Package config reads a binary's settings from its environment and reports everything
// that is wrong with them at once. It owns how a variable becomes a field, the wording of
// faults and their exit code, and the settings that several binaries share. Which other
// settings a binary has, and their allowed values, is left to a struct in that binary.
//
// A binary declares a struct with env tags. It embeds those of Log, Ops, KurrentDB,
// Postgres and Shutdown that it needs, adds its own fields, and may have a method
// Validate. A secret may come from a file instead: its field names that variable in the
// tag orFile. Load fills the struct and collects the faults. Values that only a driver can
// judge, such as connection strings, are judged when the driver opens, which reports a
// fault by Invalid. Merge joins all of these, so that an operator sees them at once, and
// Report prints them and returns the exit code. A test in dev/docs compares the tags with
// docs/configuration.md.
package config
