//go:build unix

package relay

import (
	"fmt"
	"strings"
	"testing"

	"event-dispatcher/internal/natstest"
	"event-dispatcher/internal/testkit"
)

func TestNATSClusterLosesServersAndTheBooksBalance(t *testing.T) {
	servers := natstest.StartCluster(t, 3)
	url := natstest.URL(servers...)
	o := newOutage(t, url, url, -1)
	o.post(500)
	servers[0].Kill()
	o.post(500)
	servers[1].Stop()
	o.post(500)
	up(t, o.a, o.b)
	o.post(500)
	servers[1].Continue()
	servers[0].Restart()
	o.settled(t)
}

func TestNATSAbsentAtStart(t *testing.T) {
	addr := testkit.FreeAddr(t)
	a, b := newInstance(t, "nats://"+addr, Options{}, nil), newInstance(t, "nats://"+addr, Options{}, nil)
	a.post(event(1, 100))
	testkit.Eventually(t, "local delivery", func() bool { return a.received.Load() == 1 })
	if a.relay.Up() {
		t.Error("Up() = true without a server")
	}
	natstest.StartAt(t, addr)
	up(t, a, b)
	a.post(event(2, 100))
	testkit.Eventually(t, "delivery afterwards", func() bool { return b.received.Load() >= 1 })
}

// Messages stay within what the server takes; an event that does not is a gap.
func TestNATSMaxPayloadIsKept(t *testing.T) {
	const limit = 4 << 10
	server := natstest.StartWith(t, fmt.Sprintf("max_payload: %d\n", limit))
	o := newOutage(t, server.URL(), server.URL(), -1)
	const n = 2000
	for range n {
		o.posted++
		o.a.post(event(o.posted, 100))
	}
	testkit.Eventually(t, "all events", func() bool { return o.b.received.Load() == n })
	o.post(3) // about a quarter of the limit each
	o.posted++
	o.a.post(event(o.posted, limit+1))
	// Nothing comes behind it that would be taken, and it is never too old.
	testkit.Eventually(t, "the event too large is dropped", func() bool { return o.a.relay.Stats().Firehose.Dropped["rejected"] == 1 })
	o.post(3)
	o.settled(t)
	st := o.a.relay.Stats().Firehose
	if st.Dropped["rejected"] != 1 || o.b.skipped.Load() != 1 {
		t.Errorf("%d rejected, %d told as skipped; want 1, 1", st.Dropped["rejected"], o.b.skipped.Load())
	}
	if per := float64(n) / float64(st.Messages); per < 3 {
		t.Errorf("%.1f events per message; want several", per)
	}
}

func TestNATSUserAndPassword(t *testing.T) {
	server := natstest.Start(t, "--user", "relay", "--pass", "p/w")
	a, b := newInstance(t, "nats://relay:p%2Fw@"+server.Addr, Options{}, nil), newInstance(t, "nats://relay:p%2Fw@"+server.Addr, Options{}, nil)
	wrong := newInstance(t, "nats://relay:wrong@"+server.Addr, Options{}, nil)
	up(t, a, b)
	a.post(event(1, 100))
	testkit.Eventually(t, "delivery", func() bool { return b.received.Load() == 1 })
	wrong.post(event(1, 100))
	testkit.Eventually(t, "local delivery", func() bool { return wrong.received.Load() == 1 })
	if wrong.relay.Up() {
		t.Error("Up() = true with a wrong password")
	}
}

// A user who may not publish or subscribe is told so, and is not up.
func TestNATSPermissions(t *testing.T) {
	const all = `"event-dispatcher", "event-dispatcher.>"`
	server := natstest.StartWith(t, `authorization { users = [
		{user: full, password: p, permissions: {publish: [`+all+`], subscribe: [`+all+`]}}
		{user: mute, password: p, permissions: {publish: "other", subscribe: [`+all+`]}}
		{user: deaf, password: p, permissions: {publish: [`+all+`], subscribe: "other"}}
	]}`)
	full := newInstance(t, "nats://full:p@"+server.Addr, Options{Shards: 2}, nil)
	testkit.Eventually(t, "up", full.relay.Up)
	for _, user := range []string{"mute", "deaf"} {
		i := newInstance(t, "nats://"+user+":p@"+server.Addr, Options{}, nil)
		i.post(event(1, 100))
		testkit.Eventually(t, user+" tries", func() bool {
			return i.relay.Stats().Firehose.Failures > 0 || i.relay.firehose.publisher.isUp() && !i.relay.firehose.subscriber.subscribed()
		})
		testkit.Eventually(t, user+" is not up", func() bool { return !i.relay.Up() })
	}
}

func TestParseNATS(t *testing.T) {
	for _, tt := range []struct{ address, hosts, servers string }{
		{"nats://a", "a:4222", "nats://a:4222"},
		{"nats://u:p%2F@a:1,b,[::1]:2/", "a:1,b:4222,[::1]:2", "nats://a:1,nats://b:4222,nats://[::1]:2"},
		{"tls://token@a?server_name=x", "a:4222", "tls://a:4222"},
	} {
		n, err := ParseNATS(tt.address)
		if err != nil {
			t.Errorf("ParseNATS(%s): %v", tt.address, err)
			continue
		}
		if got := OverNATS(n).String(); got != tt.hosts || n.servers() != tt.servers {
			t.Errorf("ParseNATS(%s) = %s, %s; want %s, %s", tt.address, got, n.servers(), tt.hosts, tt.servers)
		}
	}
	for _, tt := range []struct{ address, want string }{
		{"a:4222", "nats://host:port"},
		{"redis://a", "nats://host:port"},
		{"nats://a,nats://b", "the scheme is written once"},
		{"nats://a:0", "port from 1 to 65535"},
		{"nats://a,,b", "a host is not"},
		{"nats://", "a host is not"},
		{"nats://a/x", "not a valid URL"},
		{"nats://a?x=1", "not one of credentials"},
		{"nats://a?credentials=/nowhere", "cannot be read"},
		{"nats://a?cert=nats_test.go", "cert and key go together"},
		{"nats://a?ca=nats_test.go", "no certificate in PEM"},
	} {
		if _, err := ParseNATS(tt.address); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("ParseNATS(%s) = %v; want an error that says %q", tt.address, err, tt.want)
		}
	}
	for _, address := range []string{"nats://u:hunter2@a:x", "nats://u:12/hunter2@a", "nats://u:hunter2%zz@a", "nats://a?x=hunter2", "hunter2"} {
		if _, err := ParseNATS(address); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("ParseNATS(%q): %v; want an error without the password", address, err)
		}
	}
}
