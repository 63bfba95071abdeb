package event

import (
	"fmt"
	"strconv"
	"sync/atomic"
)

// Varied is events of one size that differ in what consumers select by. Each is
// a function of its lane and number, so a program that reads one knows all that it must
// say, and how many of them any selection passes.
type Varied struct {
	lane, lanes, sessions, size int
	count                       atomic.Uint64
}

// laneUnit is what positions of neighbouring lanes are apart.
const laneUnit = 1_000_000_000

// randomDigits is how many digits of an event are random, besides those of its tag: so many
// that events of 512 bytes take the room of production's heartbeats when compressed.
const randomDigits = 54

// NewVaried returns the events of one of some lanes, among which the sessions are
// divided.
func NewVaried(lane, lanes, sessions, size int) *Varied {
	return &Varied{lane: lane, lanes: lanes, sessions: max(sessions, lanes), size: size}
}

// Facts are what an event of [Varied] says.
type Facts struct {
	Position uint64 // unique, and rises within a lane
	Name     string
	Session  string
	Platform string
}

// Count is how many events there were so far. Any goroutine may ask.
func (v *Varied) Count() uint64 { return v.count.Load() }

// Facts returns what event number n says, from 1.
func (v *Varied) Facts(n uint64) Facts {
	f := Facts{Position: uint64(v.lane)*laneUnit + n, Name: "HEARTBEAT", Platform: [...]string{"Web", "Apple", "Android"}[n%3]}
	switch (n + uint64(v.lane)) % 20 {
	case 1:
		f.Name = "START"
	case 7:
		f.Name = "ERROR"
	case 13:
		f.Name = "STOP"
	}
	own := uint64((v.sessions - v.lane + v.lanes - 1) / v.lanes) // sessions of this lane
	f.Session = SessionName(int(n%own)*v.lanes + v.lane)
	return f
}

// SessionName names session number i, from 0.
func SessionName(i int) string { return fmt.Sprintf("00000000-0000-4000-a000-%012d", i) }

// Place takes a position apart into lane and number.
func Place(position uint64) (lane int, n uint64) {
	return int(position / laneUnit), position % laneUnit
}

// Append implements [Source].
func (v *Varied) Append(dst []byte) ([]byte, Flavour, uint32) {
	start := len(dst)
	f := v.Facts(v.count.Add(1))
	dst = open(dst)
	dst = append(dst, `","event_name":"`...)
	dst = append(dst, f.Name...)
	dst = append(dst, `","session_id":"`...)
	dst = append(dst, f.Session...)
	dst = append(dst, `","version":1,"data":{"platform":"`...)
	dst = append(dst, f.Platform...)
	dst = append(dst, `","position":`...)
	dst = strconv.AppendUint(dst, f.Position, 10)
	dst = append(dst, `,"url":"`...)
	// Words that repeat, and digits that do not.
	random, digits := f.Position, 0
	for i := 0; len(dst)-start < v.size-3; i++ {
		const text = "buffered_duration=000000&bitrate=000000&frame_drops=000000&bandwidth=000000&position=000000&"
		c := text[i%len(text)]
		if c == '0' && digits < randomDigits {
			random, digits = random*6364136223846793005+1442695040888963407, digits+1
			c += byte(random >> 33 % 10)
		}
		dst = append(dst, c)
	}
	dst = append(dst, `"}}`...)
	return dst, Plain, Sum(dst[start:])
}
