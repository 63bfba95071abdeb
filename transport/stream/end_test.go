package stream

import "testing"

// A tight socket takes a few bytes of what it is sent.
type tight struct {
	sockets
	takes int
}

func (s tight) send(c *consumer, p []byte) (int, Reason, bool) {
	return s.sockets.send(c, p[:min(s.takes, len(p))])
}

// A socket that does not take the end of its stream at once gets the rest of it, and nothing
// behind it, whatever was held back for it.
func TestNothingIsBehindTheEndOfAStream(t *testing.T) {
	eachEngine(t, func(t *testing.T, o Options) {
		for _, query := range []string{"", "where=number>=0", "every=1h&latest=number"} {
			r := newRig(t, roomy(1), o)
			c := r.join(joinOptions{view: newViews(t, r.broker).of(query)})
			r.wantHerd(c, true)
			for range 3 {
				r.publish(0, 10)
			}
			r.wantSwept()
			r.inLoop(func(l *loop) {
				member, sockets := l.slots[0], l.sockets
				last := member.herd.format.AppendEnded(nil, ReasonRevoked.String())
				l.sockets = tight{sockets, 3}
				l.part(member, last, ReasonRevoked)
				l.sockets = sockets
				// It took 3 bytes, or none while it still writes an event.
				if end := string(l.ending(member, last)); member.lag == nil || string(member.lag.rest) != end[3:] && string(member.lag.rest) != end {
					t.Errorf("view %q: a socket that took a part of the end is to get %+v; want the rest of %q", query, member.lag, end)
				}
				l.makeReady(member)
			})
			r.wantClosed(ReasonRevoked, 1)
		}
	})
}
