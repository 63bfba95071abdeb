// Package transport speaks HTTP: players POST events, consumers open streams,
// users' screens share state, operators ask for health and metrics.
//
// A request is checked (wellformed.go), routed on its exact path (route.go) and
// served by one handler: ingest.go for events, streams.go and firehose.go for the
// handshake of a stream, whose connection is then handed to package stream,
// sessions.go for screens, whose sockets are package ws's, health.go and
// metrics.go for the operator. A panic in any of them is recovered and counted.
//
// Whatever is refused has a [Reason], which is named in the answer's body (its
// first word; on the paths of sessions a member of JSON) and is the label of
// dispatcher_requests_rejected_total.
package transport
