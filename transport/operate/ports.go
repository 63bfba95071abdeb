package operate

import "sync"

// ports are those that players and consumers are served on.
type ports struct {
	mu     sync.Mutex
	public []string // guarded by mu
}

// Public says that players and consumers are served on a port, so that a console that
// is elsewhere finds it.
func (p *ports) Public(port string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.public = append(p.public, port)
}

func (p *ports) all() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.public[:len(p.public):len(p.public)]
}
