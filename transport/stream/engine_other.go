//go:build !linux

package stream

func newEngine(p *Pool) (engine, error) { return newPortable(p) }
