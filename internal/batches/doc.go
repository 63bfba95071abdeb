// Package batches measures the built program taking batches of events.
package batches
