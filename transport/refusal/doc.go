// Package refusal is how the service says no. There is one list of reasons; each
// has a label, which is the first word of the answer, the label of
// dispatcher_requests_rejected_total and the field of a log line, a status and a
// text that says what the client can do.
//
// A [Desk] answers and counts. Reject answers a request whose connection goes on;
// package front has Refuse, which also closes.
package refusal
