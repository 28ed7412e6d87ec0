// Package config reads a binary's settings from its environment and reports everything
// that is wrong with them at once. It owns how a variable becomes a field, the wording of
// faults and their exit code, and the settings that several binaries share. Which other
// settings a binary has, and their allowed values, is left to a struct in that binary.
package config
