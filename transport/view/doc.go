// Package view is what a consumer asked for: which events, what of them, on which
// wire and how often.
//
// It promises that the same wish is the same [View], in whatever order and
// spelling it was asked for, so that all who want the same are served from one
// buffer; that nothing of an event is decoded or copied to decide who gets it; and that a
// view means the same on every instance and in every release.
//
//	?where=event_name=ERROR,STOP&members=session_id,data.position&wire=ndjson
//	   │
//	   │ Registry.Check: checked and sorted
//	   │ Narrow: as far as a grant goes
//	   │ Registry.Intern: the same pointers for the same wish
//	   ▼
//	View{Shards, Select ──────────────┐ Shape, Format, Pace}
//	                                  │
//	one loop:  Matcher.Add ◀──────────┘
//
//	event ──▶ Matcher.Match ──▶ ids of the selections that it passes
//	          Shape.Append  ──▶ {"data":{"position":7},"session_id":"…"}
//
// A consumer that reads alone, as it lags, asks its own [Select.Match].
//
// # How one pass serves a thousand selections
//
// The paths of all selections are one tree (package jsonkey). A [Matcher] walks
// the event once and finds the values of all of them. Each value that somebody
// waits for is looked up: a map from the value to selections per member, filled
// from the conditions with =. What the look-up finds has its other conditions
// checked. So these three
//
//	1  session_id=s1
//	2  session_id=s2  event_name=ERROR
//	3  data.position>10
//
//	member      value   waited for by
//	session_id  s1      1
//	            s2      2, if event_name is ERROR
//	every event         3, if data.position is more than 10
//
// cost one look-up and one comparison of numbers for an event of the session s9.
// Of several equalities of a selection, that one is the key which the fewest
// others have when it is added.
//
// # What conditions mean
//
// A literal is what a string says, the number that has its value, or that very
// true, false or null: x=1 holds for "1", 1, 1.0 and 10e-1, but x=1.0 not for "1".
// Numbers are compared exactly, however long; exponents beyond ±10^15 count as
// that. != holds wherever = does not, and so if there is no such member. The four
// orders compare numbers if the literal is one, and otherwise strings, by their
// bytes; ^= is for strings. Objects and arrays exist, and are equal to nothing. Of
// members with the same name the last counts, as decoders have it.
//
// # Invariants
//
//  1. A Select, a Shape and a Path do not change once they are in a View.
//  2. Two Views that one Registry interned are equal if and only if their normalised
//     queries ([View.Canonical]) and what headers chose are.
//  3. [Matcher.Match] returns exactly the selections whose [Select.Match] says true.
//  4. The Registry holds only weak pointers: what a stranger asked for goes with the
//     last View that has it.
//
// # Who touches what
//
//	Registry             any goroutine; one lock, not taken by views without select, shape and latest
//	Select, Shape, Path  any goroutine, reading only
//	Matcher              the loop that owns it
//
// # Costs
//
// A pass costs some 0.5 µs for a player's event of 0.6 KB, with one selection or a
// thousand that follow a session each. A selection without an equality is
// evaluated for every event: some 20 ns per condition. Nothing is allocated per
// event. What bounds all this, and what it costs a stranger, is in [Options].
package view
