package ingest

import "event-dispatcher/transport/stream"

// The frame around every event in the ring.
var (
	eventPrefix = []byte(stream.EventPrefix)
	eventSuffix = []byte(stream.EventSuffix)
)
