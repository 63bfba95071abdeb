//go:build !linux

package stream

func newSockets(o *Options, s *counters) (sockets, error) { return newPortableSockets(o, s), nil }
