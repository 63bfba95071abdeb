package event

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// A Source yields the events of one producer, one after another. It belongs to
// one goroutine.
type Source interface {
	// Append appends the next event, complete but for its tag, and returns
	// the extended slice with the flavour of player that publishes it and the
	// sum for its tag.
	Append(dst []byte) (out []byte, flavour Flavour, sum uint32)
}

// Fixed repeats one event of a fixed size: for measurements that count bytes.
type Fixed struct {
	body []byte
	sum  uint32
}

// NewFixed builds an event of size bytes; at least MinBytes.
func NewFixed(size int) *Fixed {
	body := open(nil)
	body = append(body, `","event_name":"HEARTBEAT","version":1,"data":"`...)
	for i := 0; len(body) < size-2; i++ {
		body = append(body, byte('a'+i%26))
	}
	body = append(body, `"}`...)
	return &Fixed{body: body, sum: Sum(body)}
}

// Append implements [Source].
func (f *Fixed) Append(dst []byte) ([]byte, Flavour, uint32) {
	return append(dst, f.body...), Plain, f.sum
}

// Sessions plays the life cycles of viewers on one producer: START, HEARTBEAT
// at once and then in turn, sometimes ERROR, STOP, and a new viewer. With
// about twenty heartbeats to a viewer nine events in ten are heartbeats.
type Sessions struct {
	rng     *rand.Rand
	viewers []viewer
	turn    int
}

type viewer struct {
	id      string
	flavour Flavour
	step    int // events so far
	last    int // the step that is STOP
	failsAt int // the step that is ERROR; beyond last for most viewers
}

// NewSessions returns a source that rotates among n viewers. They begin at
// random points of their lives, so the mix is even from the first event.
func NewSessions(n int, seed uint64) *Sessions {
	s := &Sessions{
		rng:     rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)),
		viewers: make([]viewer, max(n, 1)),
	}
	for i := range s.viewers {
		s.begin(&s.viewers[i])
		s.viewers[i].step = s.rng.IntN(s.viewers[i].last)
	}
	return s
}

func (s *Sessions) begin(v *viewer) {
	*v = viewer{
		id: fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", s.rng.Uint32(), s.rng.Uint32()&0xffff,
			s.rng.Uint32()&0xfff, s.rng.Uint32()&0xfff, s.rng.Uint64()&0xffffffffffff),
		flavour: []Flavour{Web, Web, Apple, Android}[s.rng.IntN(4)],
		last:    10 + s.rng.IntN(24),
	}
	v.failsAt = v.last + 1
	if s.rng.IntN(5) == 0 {
		v.failsAt = 2 + s.rng.IntN(v.last-2)
	}
}

// Append implements [Source]. Viewers take turns, except that the first
// heartbeat follows its START at once.
func (s *Sessions) Append(dst []byte) ([]byte, Flavour, uint32) {
	v := &s.viewers[s.turn]
	start := len(dst)
	dst = open(dst)
	switch v.step {
	case 0:
		dst = s.appendStart(dst, v)
	case v.last:
		dst = s.appendStop(dst, v)
	case v.failsAt:
		dst = s.appendError(dst, v)
	default:
		dst = s.appendHeartbeat(dst, v)
	}
	flavour := v.flavour
	if v.step == v.last {
		s.begin(v)
	} else {
		v.step++
	}
	if v.step != 1 {
		s.turn = (s.turn + 1) % len(s.viewers)
	}
	return dst, flavour, Sum(dst[start:])
}

// envelope writes the members that all events share, in the order that the
// flavour of player writes them, up to and including `"data":`.
func (s *Sessions) envelope(dst []byte, v *viewer, name string) []byte {
	const base = 1_795_000_000_000 // a fixed time: nobody reads it
	timestamp := base + int64(v.step)*30_000
	if v.flavour == Apple && s.rng.IntN(2) == 0 {
		return fmt.Appendf(dst, `","version":1,"timestamp":%d,"session_id":"%s","event_name":"%s","data":`, timestamp, v.id, name)
	}
	return fmt.Appendf(dst, `","event_name":"%s","session_id":"%s","timestamp":%d,"version":1,"data":`, name, v.id, timestamp)
}

func (s *Sessions) appendStart(dst []byte, v *viewer) []byte {
	dst = s.envelope(dst, v, "START")
	url := v.flavour.escape("https://media.example.org/live/channel-1/master.m3u8?caption=true&quality=auto")
	dst = fmt.Appendf(dst, `{"device":{"id":"%s","model":"%s","type":"Phone"},"os":{"name":"%s","version":"18.2"},`+
		`"screen":{"width":1179,"height":2556},"player":{"name":"Pillarbox","platform":"%s","version":"8.1.0"},`+
		`"media":{"id":"urn:rts:video:%d","metadata_url":"%s","asset_url":"%s","origin":"%s"},`+
		`"qoe_timings":{"metadata":%s,"asset":%s,"total":%s},"qos_timings":{"asset":%s,"drm":%s,"metadata":%s}`,
		v.id, v.flavour, v.flavour, v.flavour, s.rng.IntN(20_000_000), url, url,
		v.flavour.escape("https://www.example.org/play/tv"), s.timing(v), s.timing(v), s.timing(v), s.timing(v), s.timing(v), s.timing(v))
	if v.flavour == Web {
		dst = append(dst, `,"browser":{"name":"Firefox","version":"146.0","user_agent":"Mozilla/5.0 (X11; Linux x86_64; rv:146.0) Gecko/20100101 Firefox/146.0"}`...)
	}
	return append(dst, "}}"...)
}

func (s *Sessions) appendHeartbeat(dst []byte, v *viewer) []byte {
	dst = s.envelope(dst, v, "HEARTBEAT")
	dst = s.appendPlayback(dst, v)
	return append(dst, "}}"...)
}

func (s *Sessions) appendStop(dst []byte, v *viewer) []byte {
	dst = s.envelope(dst, v, "STOP")
	dst = s.appendPlayback(dst, v)
	return append(dst, "}}"...)
}

func (s *Sessions) appendPlayback(dst []byte, v *viewer) []byte {
	return fmt.Appendf(dst, `{"bandwidth":%d,"bitrate":%d,"buffered_duration":%s,"frame_drops":%d,"playback_duration":%s,`+
		`"position":%s,"position_timestamp":%d,"stall":{"count":%d,"duration":%s},"stream_type":"Live",`+
		`"url":"%s","airplay":false,"vpn":false,"volume":0.8`,
		s.rng.IntN(90_000_000), s.rng.IntN(8_000_000), s.timing(v), s.rng.IntN(40), s.timing(v), s.timing(v),
		1_795_000_000_000+s.rng.Int64N(1e9), s.rng.IntN(3), s.timing(v),
		v.flavour.escape("https://media.example.org/live/channel-1/hd/segment-48213.ts"))
}

// appendError is small most of the time, with a tail of stack traces up to
// 60 KB whose newlines are escaped. Web players put JSON in a string.
func (s *Sessions) appendError(dst []byte, v *viewer) []byte {
	lines := 1 + s.rng.IntN(12)
	if s.rng.IntN(8) == 0 {
		lines = 1 + s.rng.IntN(900)
	}
	trace := strings.Repeat(`    at Player.load (player.js:1024:17) in callback\n`, lines)
	dst = s.envelope(dst, v, "ERROR")
	dst = fmt.Appendf(dst, `{"name":"PlaybackError","message":"The media could not be loaded.","severity":"FATAL","duration":%s,"position":%s,"url":"%s","log":"`,
		s.timing(v), s.timing(v), v.flavour.escape("https://media.example.org/vod/1.m3u8"))
	if v.flavour == Web {
		return append(append(dst, `{\"code\":4,\"stack\":\"`+strings.ReplaceAll(trace, `\n`, `\\n`)+`\"}`...), `"}}`...)
	}
	return append(append(dst, trace...), `"}}`...)
}

// timing is milliseconds: with a fraction from web players, whole from others.
func (s *Sessions) timing(v *viewer) string {
	if v.flavour == Web {
		return fmt.Sprintf("%.4f", s.rng.Float64()*5000)
	}
	return fmt.Sprint(s.rng.IntN(5000))
}
