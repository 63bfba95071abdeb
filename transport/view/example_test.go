package view_test

import (
	"fmt"

	"event-dispatcher/broker"
	"event-dispatcher/transport/view"
)

func ExampleMatcher() {
	b, err := broker.New(broker.Options{Shards: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	query := [][2]string{{"where", "event_name=ERROR,STOP"}, {"where", "data.position>=10"}, {"members", "session_id,data.position"}}
	registry := view.NewRegistry(view.Options{})
	v, _, err := registry.Parse(b, func(yield func(name, value []byte) bool) {
		for _, p := range query {
			if !yield([]byte(p[0]), []byte(p[1])) {
				return
			}
		}
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	var m view.Matcher
	id := m.Add(v.Select)
	event := []byte(`{"event_name":"STOP","session_id":"s1","data":{"position":12.50,"volume":1}}`)
	for _, passed := range m.Match(event, nil) {
		if passed == id {
			fmt.Printf("%s\n", v.Shape.Append(nil, event))
		}
	}
	// Output: {"data":{"position":12.50},"session_id":"s1"}
}
