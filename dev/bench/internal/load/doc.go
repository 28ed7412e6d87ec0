// Package load places orders: as events in KurrentDB, which is how they reach the product,
// or as bare starts of the workflows that the product would start for them, which is what
// it is compared with.
package load
