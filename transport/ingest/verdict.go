package ingest

import (
	"strconv"

	"event-dispatcher/transport/refusal"
)

// maxListed is how many rejected events an answer lists.
const maxListed = 100

// A verdict is what became of the events of a batch. Its JSON:
//
//	{"accepted":2,"rejected":[{"index":1,"reason":"invalid_json","offset":8}],"rejected_count":1}
type verdict struct {
	accepted, rejected int
	worst              refusal.Reason // one that passes with time, if there is one; else the first
	list               []byte         // the first entries, each with a comma before it
}

func (v *verdict) reset() { v.accepted, v.rejected, v.list = 0, 0, v.list[:0] }

// full reports whether further rejected events are only counted.
func (v *verdict) full() bool { return v.rejected >= maxListed }

// reject adds the event with the index. offset says at which of its bytes it goes
// wrong; -1 if that means nothing. hint may be empty.
func (v *verdict) reject(index int, r refusal.Reason, offset int, hint string) {
	if v.rejected == 0 || !v.worst.Passes() && r.Passes() {
		v.worst = r
	}
	if v.rejected++; v.rejected > maxListed {
		return
	}
	v.list = append(v.list, `,{"index":`...)
	v.list = strconv.AppendInt(v.list, int64(index), 10)
	v.list = append(v.list, `,"reason":"`...)
	v.list = append(v.list, r.String()...)
	v.list = append(v.list, '"')
	if offset >= 0 {
		v.list = append(v.list, `,"offset":`...)
		v.list = strconv.AppendInt(v.list, int64(offset), 10)
	}
	if hint != "" { // of our own words, without anything to escape
		v.list = append(v.list, `,"hint":"`...)
		v.list = append(v.list, hint...)
		v.list = append(v.list, '"')
	}
	v.list = append(v.list, '}')
}

func (v *verdict) appendJSON(dst []byte) []byte {
	dst = append(dst, `{"accepted":`...)
	dst = strconv.AppendInt(dst, int64(v.accepted), 10)
	dst = append(dst, `,"rejected":[`...)
	if len(v.list) > 0 {
		dst = append(dst, v.list[1:]...)
	}
	dst = append(dst, `],"rejected_count":`...)
	dst = strconv.AppendInt(dst, int64(v.rejected), 10)
	if v.accepted == 0 && v.rejected == 0 { // or nothing would say why it is refused
		dst = append(append(append(dst, `,"reason":"`...), refusal.EmptyBody.String()...), '"')
	}
	return append(dst, "}\n"...)
}
