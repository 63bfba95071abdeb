package plan

import (
	"fmt"
	"strings"
)

// general asks for n views that nothing can be looked up for.
func general(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " -crowd 1:sse:where=data.position>%d&where=event_name!=START", 31_000_000_000+i)
	}
	return b.String()
}

// mixed is one of each kind of consumer, and more.
const mixed = "-crowd 10:sse -crowd 10:sse:where=event_name=ERROR,STOP -crowd 10:ndjson:where=session_id={n} " +
	"-crowd 5:sse:sample=0.3&by=session_id -crowd 5:sse:members=event_name,session_id,data.position " +
	"-crowd 5:sse:every=500ms&latest=session_id -crowd 5:sse:max_delay=200ms -crowd 5:sse:encoding=gzip -crowd 5:ndjson:encoding=gzip " +
	"-crowd 10:ws -crowd 5:ws:where=data.platform=Web&where=event_name!=ERROR -crowd 5:ndjson -crowd 5:sse+stall -crowd 20:sse+resume:ids=1 " +
	"-crowd 5:ndjson+resume:ids=1 -crowd 5:ws+resume:ids=1"

// choices are scenarios of consumers that choose: views, resuming, compression.
func choices() []Scenario {
	return []Scenario{
		{
			Name: "views-1000-sessions", Title: "1,000 consumers with 1,000 distinct where=session_id, 5,000 events/s",
			Note:   "The ceiling is the same load with nobody listening. Events are of 1,000 sessions, and each account is closed by what the generator knows it published.",
			Load:   flags("-consumers 0 -rate 5000 -size 512 -varied 1000"),
			Warmup: 1500 * ms, Duration: 3 * s, Repetitions: 3,
			Compare: &Compare{Pairs: 6, Warmup: 1500 * ms, Duration: 2500 * ms},
			Ceiling: named("nobody listens", product), Product: loaded(product, "-crowd 1000:sse:where=session_id={n}"),
		},
		{
			Name: "views-64-general", Title: "64 distinct views without an equality, 5,000 events/s",
			Note:   "Each is evaluated for every event. The ceiling is the same load with nobody listening.",
			Load:   flags("-consumers 0 -rate 5000 -size 512 -varied 1000"),
			Warmup: 1500 * ms, Duration: 3 * s, Repetitions: 3,
			Compare: &Compare{Pairs: 6, Warmup: 1500 * ms, Duration: 2500 * ms},
			Ceiling: named("nobody listens", product), Product: loaded(product, general(64)),
		},
		{
			Name: "views-crowd", Title: "a mixed crowd: plain, filtered, sampled, shaped, conflated, compressed, WebSocket, NDJSON, stalled, resumed",
			Load:   flags("-consumers 20 -sample 2 -rate 1000 -size 512 -varied 200 " + mixed),
			Warmup: 1 * s, Duration: 10 * s, Settle: 30 * s, Repetitions: 1,
			Product: product,
		},
		{
			Name: "resume-200", Title: "200 consumers that leave at random and resume, 1,000 events/s, for a minute",
			Note:   "They leave wherever they are, also inside an event. Each event carries its id, so none comes again: repeated and doubled must be 0.",
			Load:   flags("-consumers 0 -rate 1000 -size 512 -varied 200 -crowd 200:sse+resume:ids=1 -crowd-stay 3s"),
			Warmup: 1 * s, Duration: 60 * s, Settle: 30 * s, Repetitions: 1,
			Product: product,
		},
		{
			Name: "gzip-2000", Title: "1,000 compressed consumers × 2,000 events/s, beside plain ones",
			Note:   "The ceiling is the product itself with plain consumers. Compressed streams are counted by bytes; two of them are read and balanced.",
			Load:   flags("-consumers 1000 -sample 2 -rate 2000 -size 512 -varied 200"),
			Warmup: 1500 * ms, Duration: 3 * s, Repetitions: 3,
			Ceiling: named("plain", product), Product: loaded(product, "-query encoding=gzip -opaque -crowd 2:sse:encoding=gzip"),
		},
		{
			Name: "gzip-50", Title: "100 compressed consumers × 50 events/s with 20 ms, beside plain ones",
			Load:   flags("-consumers 100 -sample 2 -rate 50 -size 512 -varied 200"),
			Warmup: 1500 * ms, Duration: 4 * s, Repetitions: 3,
			Ceiling: named("plain", product), Product: loaded(product, "-query encoding=gzip&max_delay=20ms -opaque -crowd 2:sse:encoding=gzip&max_delay=20ms"),
		},
	}
}
