package operate

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"event-dispatcher/broker"
	"event-dispatcher/transport/stream"
	"event-dispatcher/transport/view"
)

// What the console is told of streams is bounded: anybody may ask for it where there is
// no listener for operators.
const (
	maxListed   = 100         // streams, as many as the page shows
	maxViewText = 256         // bytes of what one asked for
	listedFor   = time.Second // how old it may be; the page asks once a second
)

// listed is one stream, without its address: the console may be on a public port.
type listed struct {
	ID        uint64    `json:"id"`
	Name      string    `json:"name"` // that it gives itself
	Wire      string    `json:"wire"`
	View      string    `json:"view"` // what it asked for, shortened; nothing if it gets everything
	Since     time.Time `json:"since"`
	Lag       uint64    `json:"lag"`
	Skipped   uint64    `json:"skipped"`
	Delivered uint64    `json:"delivered"`
	UpToDate  bool      `json:"up_to_date"`
}

// laggards lists the streams that lag most. However many ask, the writer loops are asked
// once a second at most, and views are written out only for streams that are listed.
type laggards struct {
	inspect func() []stream.ConsumerInfo
	query   func(view.View) string
	all     broker.ShardSet

	mu   sync.Mutex // held while the loops are asked: others wait, and share the answer
	at   time.Time
	last []listed // not modified
}

// most is up to n of them.
func (l *laggards) most(n int, now time.Time) []listed {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == nil || now.Sub(l.at) >= listedFor {
		l.at, l.last = now, l.list()
	}
	return l.last[:min(n, len(l.last))]
}

func (l *laggards) list() []listed {
	consumers := l.inspect()
	order := make([]*stream.ConsumerInfo, len(consumers))
	for i := range consumers {
		order[i] = &consumers[i]
	}
	slices.SortFunc(order, func(a, b *stream.ConsumerInfo) int {
		return cmp.Or(cmp.Compare(b.Lag, a.Lag), cmp.Compare(b.Skipped, a.Skipped), cmp.Compare(a.ID, b.ID))
	})
	list := []listed{}
	for _, c := range order[:min(maxListed, len(order))] {
		list = append(list, listed{c.ID, c.Name, c.Wire, l.view(c.View), c.Since, c.Lag, c.Skipped, c.Delivered, c.Herd})
	}
	return list
}

// view is what a consumer asked for; nothing if it gets everything.
func (l *laggards) view(v view.View) string {
	text := l.query(v)
	if v.Shards == l.all { // they come first, see Canonical
		_, text, _ = strings.Cut(text, "&")
	}
	if what, err := url.QueryUnescape(text); err == nil {
		text = what
	}
	return shortened(text, maxViewText)
}

// shortened is the beginning of a text, of at most so many bytes and an ellipsis. It has
// no control characters: JSON would need six bytes for each.
func shortened(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return utf8.RuneError
		}
		return r
	}, text)
	if len(text) <= most {
		return text
	}
	for !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most] + "…"
}
