package plan

import (
	"fmt"
	"slices"
)

// ProductName is the subject that targets are about, ProductProgram what it runs.
const (
	ProductName    = "product"
	ProductProgram = "event_dispatcher"

	// An earlier build of the product, which it is compared with.
	BeforeName    = "before"
	BeforeProgram = "before"
)

var (
	product     = Subject{Name: ProductName, Program: ProductProgram, Args: []string{"-port", "127.0.0.1:{port}"}}
	bareHandler = &Subject{Name: "bare handler", Program: "barehandler", Args: []string{"-port", "{port}"}}
	writeLoop   = &Subject{Name: "write loop", Program: "writeloop", Args: []string{"-port", "{port}"}}
	writeEach   = &Subject{Name: "write per event", Program: "writeloop", Args: []string{"-port", "{port}", "-per-event"}}
	netHub      = Subject{Name: "nethub", Program: "nethub", Args: []string{"-port", "{port}"}}
	chanHub     = Subject{Name: "chanhub", Program: "chanhub", Args: []string{"-port", "{port}"}}
	goSSE       = Subject{Name: "tmaxmax/go-sse", Program: "gosse", Args: []string{"-port", "{port}"}}
	r3labs      = Subject{Name: "r3labs/sse", Program: "r3labs", Args: []string{"-port", "{port}"}, Load: flags("-foreign -sample -1")}
	nchan       = Subject{Name: "nchan", Program: "nchan", Args: []string{"-port", "{port}"}, Load: flags("-foreign -sample -1")}

	natsWS = Subject{
		Name: "NATS, WebSocket", Program: "natsws", Args: []string{"-port", "{port}"},
		Load: flags("-foreign -sample -1 -wire nats -stream / -listen http://127.0.0.2:{port}"),
	}

	centrifugoSSE = centrifugo("centrifugo, SSE", "-stream /connection/uni_sse")
	centrifugoWS  = centrifugo("centrifugo, WebSocket", "-stream /connection/uni_websocket -wire ws")
)

// centrifugo returns the server of that name, with one channel that all consumers are in.
func centrifugo(name, wire string) Subject {
	const subscribe = "cf_connect=%7B%22subs%22:%7B%22all%22:%7B%7D%7D%7D"
	return Subject{
		Name: name, Program: "centrifugo", Args: []string{"-port", "{port}"}, Module: "github.com/centrifugal/centrifugo/v6@v6.9.1",
		Load: flags(`-foreign -sample -1 -post /api/publish -post-envelope {"channel":"all","data":@} ` +
			`-stream-envelope {"channel":"all","pub":{"data":@}} -query ` + subscribe + " " + wire),
	}
}

// with returns the product started with more flags.
func with(args ...string) Subject {
	s := product
	s.Args = append(append([]string{}, product.Args...), args...)
	return s
}

// PeerName begins the name of a companion that is another instance of the product.
const PeerName = "peer"

var (
	redis = Companion{Name: "redis", Program: "redis-server", Installed: true, Args: []string{"--port", "{port}", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"}}
	nats  = Companion{Name: "nats", Program: "nats-server", Installed: true, Args: []string{"--addr", "127.0.0.1", "--port", "{port}"}, Ends: "exit status 1"}
	peer  = Companion{Name: PeerName, Program: product.Program, Args: shared().Args}
)

// shared returns the product with a Redis, and companions beside both.
func shared(beside ...Companion) Subject {
	s := with("-redis", "redis://127.0.0.1:{redis}/0")
	s.Beside = append([]Companion{redis}, beside...)
	return s
}

// relayed returns the product, with more flags, and a peer, where the consumers are.
func relayed(args ...string) Subject {
	s := shared(peer)
	s.Args = append(s.Args, args...)
	s.Load = flags("-listen http://127.0.0.1:{peer}")
	return s
}

// overNATS is relayed with a NATS in Redis' place.
func overNATS(args ...string) Subject {
	s := with("-relay", "nats://127.0.0.1:{nats}")
	s.Beside = []Companion{nats, {Name: PeerName, Program: product.Program, Args: slices.Clone(s.Args)}}
	s.Args = append(s.Args, args...)
	s.Load = flags("-listen http://127.0.0.1:{peer}")
	return s
}

// fleet returns so many instances over a NATS, among which players and consumers are
// dealt out. Their windows are small, because they share the machine.
func fleet(instances int) Subject {
	s := with("-relay", "nats://127.0.0.1:{nats}", "-ring-bytes", "16777216", "-loops", "1")
	urls := "http://127.0.0.1:{port}"
	s.Beside = []Companion{nats}
	for k := range instances - 1 {
		name := fmt.Sprint(PeerName, k+1)
		s.Beside = append(s.Beside, Companion{Name: name, Program: product.Program, Args: slices.Clone(s.Args)})
		urls += ",http://127.0.0.1:{" + name + "}"
	}
	s.Load = []string{"-url", urls}
	return s
}

// renamed returns the subject under another name.
func renamed(name string, s Subject) *Subject {
	s.Name = name
	return &s
}

// named returns the subject under another name, with nothing of its own in the load.
func named(name string, s Subject) *Subject {
	s.Name, s.Load = name, nil
	return &s
}

// stopped returns the product with a Redis that stands still.
func stopped() Subject {
	s := shared()
	s.Args = append(s.Args, "-ring-bytes", "16777216")
	s.Beside[0].Frozen = true
	return s
}

// loaded returns the subject with more flags for the load.
func loaded(s Subject, more string) Subject {
	s.Load = append(slices.Clone(s.Load), flags(more)...)
	return s
}

// rivals are the servers that are played side by side with the product.
var rivals = []Subject{chanHub, goSSE, r3labs, nchan, centrifugoSSE, centrifugoWS, natsWS}
