//go:build !linux

package stream

func newSockets(o *Options) (sockets, error) { return newPortableSockets(o), nil }
