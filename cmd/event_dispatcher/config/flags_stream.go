package config

import (
	"time"

	"event-dispatcher/broker/wake"
)

// MaxLoops is how many writer loops there can be. A broker has places for so many
// readers that sleep, and the loops are not the only ones.
const MaxLoops = wake.MaxWaiters - OtherReaders

// OtherReaders is how many readers a broker has besides the loops: a look at the
// statistics.
const OtherReaders = 1

// streams declares the flags of consumers.
func (c *Config) streams(t *table) {
	o := &c.Streams
	t.group("Streams")
	t.count(&o.MaxConsumers, "max-consumers", 10_000, 1, many, "most streams at once")
	t.durationOrOff(&o.KeepAlive, "keep-alive", 10*time.Second, 10*time.Millisecond, long, "longest silence of a stream; 0 turns keep-alives off")
	t.duration(&o.Stall, "stall-timeout", 30*time.Second, 100*time.Millisecond, long, "a consumer that takes no byte for so long is dead")
	t.count(&o.LagBytes, "lag-bytes", 64<<20, 1<<20, 1<<46, "memory for what consumers that are behind have taken a part of, in `bytes`; half as much for conflated views")
	t.durationOrOff(&o.FlushInterval, "flush-interval", time.Millisecond, 0, time.Second, "longest pause between two writes to a consumer under load; 0 never pauses")
	t.count(&o.Loops, "loops", 0, 0, MaxLoops, "writer loops; 0 means half the cores, at least one")
	t.toggle(&o.Portable, "portable-loops", "read and write sockets by goroutines, as on systems without epoll")

	t.then(func() error {
		c.Sockets.Stall = o.Stall
		return nil
	})
}

// views declares the flags of what a consumer may ask for.
func (c *Config) views(t *table) {
	o, v := &c.Streams, &c.Transport.Views
	t.group("Views")
	t.read("compress", "ask", "`who` gets a compressed stream: ask, who asks for it by encoding=gzip; auto, also who sends Accept-Encoding: gzip",
		oneOf(func(text string) { c.Transport.CompressAuto = text == "auto" }, "ask", "auto"))
	t.count(&o.MaxViews, "max-views", 1024, 1, 1<<16, "most different views that consumers have at once, besides the default on each wire (503 beyond)")
	t.count(&v.MaxGeneral, "max-general-views", 256, 1, 1<<16, "most of them without an equality, which are tried for every event, and as many conflated ones (503 beyond)")
	t.count(&o.MaxCompressed, "max-compressed-views", 64, 1, 4096, "most of them that are compressed, 1 MiB each for every loop (503 beyond)")
	t.count(&v.MaxConditions, "max-conditions", 16, 1, 64, "most conditions (where) of a view (400 beyond)")
	t.count(&v.MaxMembers, "max-members", 32, 1, 64, "most paths that the members of a view list (400 beyond)")
	t.count(&v.MaxQuery, "max-query", 4<<10, 64, 12<<10, "longest query of a stream, in `bytes` when decoded (400 beyond)")

	t.then(func() error {
		v.MaxDistinct = 4 * o.MaxViews // those that were looked at, too, until they are collected
		return nil
	})
}
