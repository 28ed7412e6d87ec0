// Package e2e tests the catalog as a process, between real servers whose connections can
// fail: what a visitor sees, what a crash at each step leaves, and a minute of chaos, after
// which package check judges what became of every upload.
package e2e
