// Package ingest takes what players post: a body (receive.go) with one event (take.go,
// ingest.go) or a batch of them (batch.go, run.go). An event is checked by package
// event, made one line and put into the broker with its frame (frame.go, outlet.go);
// nothing is decoded and nothing of the request is kept. Events of other instances come
// in by relayed.go.
package ingest
