// Package crowd is consumers that ask for views: filtered, sampled, conflated,
// compressed, on every wire, stalled, and such that leave and resume.
//
// It knows what was published, because [event.Varied] is a function of lane and
// number, and evaluates every view on that itself, without a line of the server's code. So
// the account of each consumer is closed against what it had to get:
//
//	received + skipped + passed over = published
//
// Without a notice of skipped events every published event that the view passes must
// have been received, once and in order. With notices the server has said how many events
// it left out, of those that pass and of others: at most so many may be missing.
// Of a conflated view the last event of each session must be there, and no
// session may have more than one event per interval. Who resumes comes back to
// its last id: nothing may come again, for each event carries its id. What came
// without one and comes again would be counted as repeated. Of a sample by session each
// session must be there as a whole or not at all.
//
// Consumers join before the first event. They cost a goroutine and more each: it
// is for correctness and for hundreds; package consumer is for rates.
package crowd
