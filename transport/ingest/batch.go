package ingest

import (
	"sync"

	"github.com/valyala/fasthttp"

	"event-dispatcher/broker/event"
	"event-dispatcher/transport/ingest/cmcd"
	"event-dispatcher/transport/refusal"
)

// A batch is one request with many events, on its way into the ring. Batches are
// reused.
type batch struct {
	// Of the request.
	players *Players
	ctx     *fasthttp.RequestCtx
	objects bool           // events must be objects, which get the address
	names   event.Names    // of the members that are added
	may     int            // how many events may come in
	rest    refusal.Reason // why the others up to maxEvents may not
	seen    int            // events so far
	written int            // bytes of JSON that reports became so far

	run     run
	scratch []byte // members that are added, and reports as JSON
	common  []byte // the members that all events get
	verdict verdict
}

var batchPool = sync.Pool{New: func() any { return new(batch) }}

// maxKeptScratch is what a batch may keep for the next one.
const maxKeptScratch = 1 << 20

func (b *batch) release() {
	b.players, b.ctx, b.names = nil, nil, nil
	b.run.end()
	if cap(b.scratch) > maxKeptScratch {
		b.scratch = nil
	}
	batchPool.Put(b)
}

// postBatch takes a batch. Each event is judged by itself, and those that are fine
// are published in order.
func (p *Players) postBatch(ctx *fasthttp.RequestCtx, f form, objects bool) {
	t, ok := p.receive(ctx, f)
	if !ok {
		return
	}
	defer t.Release()

	var events event.Batch
	switch f {
	case lines, reports:
		events = event.Lines(t.Body)
	case array:
		events, ok = event.Elements(t.Body)
	}

	b := batchPool.Get().(*batch)
	defer b.release()
	b.begin(p, ctx, objects || f == reports)
	if p.rates.Any() && !b.admit(&t, events) {
		return
	}
	if !ok {
		p.received.Add(1)
		p.refuseNoArray(ctx, t.Body)
		return
	}
	if f == reports {
		b.takeReports(events)
	} else {
		b.takeEvents(events)
	}
	b.run.flush()
	p.received.Add(uint64(b.seen))
	p.counts.batch(f, b.seen)
	b.answer(f)
}

func (p *Players) refuseNoArray(ctx *fasthttp.RequestCtx, body []byte) {
	if fault := event.Check(body); fault != event.None {
		p.refusals.Explain(ctx, faults[fault], explain(body, fault))
		return
	}
	p.refusals.Reject(ctx, refusal.NotArray)
}

func (b *batch) begin(p *Players, ctx *fasthttp.RequestCtx, objects bool) {
	b.players, b.ctx, b.objects = p, ctx, objects
	b.run.begin(b)
	b.names = p.names(objects)
	b.may, b.seen, b.written = maxEvents, 0, 0
	b.scratch = b.scratch[:0]
	b.common = p.members.append(b.common[:0], ctx, objects)
	b.verdict.reset()
}

// admit counts the events against the rates, those that are not counted yet. It
// answers and reports false if none may come in. A batch costs as many events as would fill
// it if they were as large as they may be, also if nothing but blanks are in it: to look
// through it is work. One that came compressed costs one for each packedEvent bytes.
func (b *batch) admit(t *Taken, events event.Batch) bool {
	n := events.Len(maxEvents + 1)
	least := len(t.Body) / b.players.maxBody
	if t.inflated != nil {
		least = len(t.Body) / min(packedEvent, b.players.maxBody)
	}
	if max(n, least) <= t.counted {
		return true
	}
	may, rest := b.players.rates.AllowRest(b.ctx, max(n, least), t.counted, least)
	switch {
	case may == 0:
		b.players.received.Add(uint64(max(n, 1)))
		b.players.refusals.Reject(b.ctx, rest)
	case may < n:
		b.may, b.rest = min(may, maxEvents), rest
	}
	return may > 0
}

// takeEvents takes JSON values.
func (b *batch) takeEvents(events event.Batch) {
	for b.seen < b.may {
		body, fault, ok := events.Next()
		if !ok {
			return
		}
		b.seen++
		switch {
		case fault != event.None:
			b.rejectFault(body, fault)
		case len(body) > b.players.maxBody:
			b.reject(refusal.TooLarge)
		default:
			b.take(body)
		}
	}
	b.refuse(events)
}

// maxEvents is how many events are taken of a batch: compressed, two million of a byte each
// are 4 KB, drive all others out of the ring, and keep a processor busy.
const maxEvents = 1 << 17

// refuse refuses the events that are too many for the rates, and, as one, all that are too
// many for a batch. Nobody looks at them.
func (b *batch) refuse(events event.Batch) {
	for range events.Len(maxEvents + 1 - b.seen) {
		b.seen++
		if b.seen > maxEvents {
			b.reject(refusal.TooLarge)
		} else {
			b.reject(b.rest)
		}
	}
}

// take adds an event to the run, with its members.
func (b *batch) take(body []byte) {
	e := pending{index: b.seen - 1, head: body}
	if b.objects || len(b.names) > 0 {
		head, tail, empty, ok := open(body, b.names)
		if ok {
			e.head, e.tail = head, tail
			e.from, e.to = b.addMembers(empty)
		} else if b.objects {
			b.reject(refusal.NotObject)
			return
		}
	}
	b.run.add(e)
}

// addMembers appends the members of one event to the scratch.
func (b *batch) addMembers(empty bool) (from, to int) {
	from = len(b.scratch)
	b.scratch = append(b.scratch, b.common...)
	b.scratch = b.players.appendID(b.scratch, b.ctx.Time())
	if empty && len(b.scratch) > from {
		from++ // no comma
	}
	return from, len(b.scratch)
}

// reportsGrow is how many times -max-batch the JSON of a batch of reports may be: some 1.5 times
// what they are, where a record could be made to become eight times what it is.
const reportsGrow = 2

// takeReports takes CMCD. Its records become objects in the scratch.
func (b *batch) takeReports(records event.Batch) {
	p := b.players
	for b.seen < b.may {
		if b.written > reportsGrow*p.maxBatch {
			b.rest = refusal.TooLarge
			break
		}
		record, ok := records.Cut()
		if !ok {
			return
		}
		b.seen++
		from := len(b.scratch)
		out, r, offset, err := cmcd.Append(b.scratch, record, p.maxBody)
		b.scratch = out[:from] // it may have grown
		b.written += r.Written
		switch {
		case err == cmcd.ErrUTF8:
			b.reject(refusal.InvalidUTF8)
			continue
		case err == cmcd.ErrTooLarge:
			b.reject(refusal.TooLarge)
			continue
		case err != nil:
			b.rejectAt(b.seen-1, refusal.Report, offset, err.Error())
			continue
		}
		object := b.names.Cut(out[from:]) // e and ts stay
		b.scratch = out[:from+len(object)-len("}")]
		b.addMembers(false)
		b.scratch = append(b.scratch, '}')
		p.losses.Note(r)
		if r.Newer {
			p.counts.newerReports.Add(1)
		}
		b.run.add(pending{index: b.seen - 1, from: from, to: len(b.scratch)})
	}
	b.refuse(records)
}

func (b *batch) rejectFault(body []byte, fault event.Fault) {
	if b.verdict.full() {
		b.reject(faults[fault]) // nobody reads where it went wrong
		return
	}
	offset, hint := event.Explain(body, fault)
	if fault == event.Empty || fault == event.ByteOrderMark {
		b.reject(faults[fault])
		return
	}
	b.rejectAt(b.seen-1, faults[fault], offset, hint.String())
}

// reject refuses the event that was seen last.
func (b *batch) reject(r refusal.Reason) { b.rejectAt(b.seen-1, r, -1, "") }

// rejectAt refuses the event with the index; see verdict.reject.
func (b *batch) rejectAt(index int, r refusal.Reason, offset int, hint string) {
	b.verdict.reject(index, r, offset, hint)
	b.players.counts.rejected[r].Add(1)
}

// answer tells what became of the batch.
func (b *batch) answer(f form) {
	ctx, v := b.ctx, &b.verdict
	if f == reports && v.accepted > 0 && v.rejected == 0 {
		ctx.SetStatusCode(fasthttp.StatusNoContent)
		return
	}
	b.scratch = v.appendJSON(b.scratch[:0])
	if v.accepted == 0 {
		reason := refusal.EmptyBody
		if v.rejected > 0 {
			reason = v.worst
		}
		b.players.refusals.RejectBatch(ctx, reason, b.scratch)
		return
	}
	ctx.Response.Header.SetContentTypeBytes(jsonType)
	ctx.SetBody(b.scratch)
}

var jsonType = []byte("application/json")
