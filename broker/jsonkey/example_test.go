package jsonkey_test

import (
	"fmt"

	"event-dispatcher/broker/jsonkey"
)

func ExampleFind() {
	value, ok := jsonkey.Find([]byte(`{"data":{"session_id":1},"session\u005fid":"s1"}`), "session_id")
	fmt.Printf("%s %v\n", value, ok)
	// Output: "s1" true
}

func ExampleTree() {
	var tree jsonkey.Tree
	name, position := tree.Add([]string{"event_name"}), tree.Add([]string{"data", "position"})
	found := tree.Found(nil, nil) // used again for every event

	event := []byte(`{"data":{"position":7,"volume":1},"event_name":"STOP"}`)
	found.Scan(event)
	for _, id := range []int32{name, position} {
		value, ok := found.Value(event, id)
		fmt.Printf("%s %v\n", value, ok)
	}
	// Output:
	// "STOP" true
	// 7 true
}
