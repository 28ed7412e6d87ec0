// Package sampledata produces orders without a shop. It generates whole customer journeys
// (cart, checkout and order streams) and reads files with such streams. Callers append
// the streams.
package sampledata
