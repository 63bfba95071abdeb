// Package ingest takes what players post. A body is checked (event.go), made one
// line and put into the broker in one go; nothing is decoded and nothing of the
// request is kept. Events of other instances come in by relayed.go.
package ingest
