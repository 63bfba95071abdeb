package stream

// freezePortable stops all goroutines of consumers before their next look.
func freezePortable(e engine) (thaw func()) {
	p := e.(*portable)
	p.reading.Lock()
	return p.reading.Unlock
}

func drainingPortable(e engine) bool {
	p := e.(*portable)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.goals != nil
}

func silentPortable(e engine) bool {
	p := e.(*portable)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.quiet
}
