// Package sampledata owns where orders come from when there is no shop: a generator of whole customer journeys (cart,
// checkout and order streams) and the reader of files that hold such streams. It leaves appending them to its callers.
package sampledata
