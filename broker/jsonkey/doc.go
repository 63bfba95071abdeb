// Package jsonkey finds members of a JSON object without decoding it.
//
// It promises that a member is the one that a decoder finds (encoding/json,
// JSON.parse, Jackson):
//
//   - a name is compared by what it says, however it is spelled: "session_id"
//     and "session\u005fid" are one name;
//   - of members with the same name the last counts, and it replaces all of the
//     ones before: in {"a":{"b":1},"a":{"c":2}} there is no b within a;
//   - arrays and strings have no members, even if a string holds JSON.
//
// [Find] looks for one member of the object itself. A [Tree] holds many paths to
// members, nested ones too, and finds all of them in one pass over the event:
//
//	paths            tree                 event
//	event_name       event_name  id 0     {"event_name":"STOP",
//	data.a           data        id 1      "data":{"a":1,"z":[…]},
//	data.b             a         id 2      "other":{"a":2}}
//	                   b         id 3
//
//	found: 0 "STOP", 2 1, 1 {"a":1,"z":[…]}; z and other are skipped unread
//
// # Costs
//
// One pass over the whole event, because the last of equal names counts; about
// one nanosecond for three bytes of a player's event. Nothing is allocated and nothing is
// decoded; a name with a backslash is, on the stack. The pass goes into an object
// as deep as the paths do and no deeper, so that it never recurses further for
// what a stranger sent.
//
// Events must be valid JSON. Of anything else the functions find something or
// nothing, and do not panic.
package jsonkey
