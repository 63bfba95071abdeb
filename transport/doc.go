// Package transport speaks HTTP: players POST events, consumers open streams,
// operators ask for health and metrics.
//
// A request goes through [Server.handle] (recover, routing on the exact path),
// then one handler: ingest.go for POSTs, streams.go for the handshake of a
// stream, whose connection is then handed to package stream, health.go and
// metrics.go for the operator.
//
// Whatever is refused has a [Reason], which is the first word of the answer's
// body, the label of dispatcher_requests_rejected_total and the log field.
package transport
