// Package config reads a binary's settings from its environment and says everything that is wrong with them at once.
// It owns how a variable becomes a field, how faults are worded and which exit code they mean, and the few settings that
// every binary shares. Which settings a binary has, and what they may be, is left to a struct in that binary.
package config
