// Package service is the whole catalog of one machine, wired together: the pages (package
// web), the bridge from commands to workflows, the workers (package process), and the
// aggregator (package view). Each part runs until the process is to end; if one fails, all
// end, and whatever started the process starts it again.
package service
