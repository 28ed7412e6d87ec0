// Package workflows owns the way an order takes: OrderFulfillment from credit to shipment or back, and OrderSettlement
// when it is paid, with their inputs, messages and activity options. It is deterministic: every effect is an activity of
// package activities, and settings reach it only as an activity's result. Starting workflows is left to package starter.
package workflows
