// Package upgrade tests the upgrade of the workers as docs/upgrades.md describes it: two
// builds with different workflow code, orders placed all the time, and the commands of the
// page executed as they are written there.
package upgrade
