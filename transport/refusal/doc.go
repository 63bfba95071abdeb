// Package refusal is how the service says no. There is one list of reasons; each
// has a label, which is the first word of the answer, the label of
// dispatcher_requests_rejected_total and the field of a log line, a status and a
// text that says what the client can do.
//
// A [Desk] answers and counts. These are all the ways to refuse:
//
//   - [Desk.Reject], and [Desk.Explain] with details: the common answer. The
//     connection goes on. [Desk.RejectMethod] adds the methods that there are.
//   - [Desk.RejectBatch]: a batch of which nothing came in, with a list of why.
//   - [Desk.Note] only counts. Package subscribe answers an EventSource that finds
//     no place with a stream that says when to come again, because an EventSource
//     never comes back after another status than 200.
//   - [Prepare] makes the answer for a connection that package front turns away
//     before it is read; [Desk.Counter] counts those.
//
// Two packages add to the common answer: front.Front.Refuse closes the connection
// behind it, and access.Gate.Admit sets WWW-Authenticate before it.
package refusal
