package ingest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
)

// Members that are added to objects, as the last ones. One of that name which the
// object brings is replaced.
const (
	addressMember = "user_ip"
	timeMember    = "received_at" // Unix milliseconds
	idMember      = "event_id"    // see [event.IDs]
)

// MaxAddedBytes is the most that the service adds to a body before it is an event
// in the ring: the frame and all members.
const MaxAddedBytes = 192

// Stamps are what objects get besides the address of their sender.
type Stamps uint8

const (
	StampTime Stamps = 1 << iota
	StampID
)

// ParseStamps reads a comma-separated list of members.
func ParseStamps(list string) (s Stamps, err error) {
	for name := range strings.SplitSeq(list, ",") {
		switch strings.TrimSpace(name) {
		case "":
		case timeMember:
			s |= StampTime
		case idMember:
			s |= StampID
		default:
			return 0, fmt.Errorf("%q is not %s or %s", name, timeMember, idMember)
		}
	}
	return s, nil
}

func (s Stamps) names() (names []string) {
	if s&StampTime != 0 {
		names = append(names, timeMember)
	}
	if s&StampID != 0 {
		names = append(names, idMember)
	}
	return names
}

// appendMembers appends the members that are the same for all events of a request,
// each with a comma before it.
func (p *Players) appendMembers(dst []byte, ctx *fasthttp.RequestCtx, address bool) []byte {
	if address && !p.options.UserIP.Off() {
		dst = append(dst, `,"`+addressMember+`":"`...)
		dst = p.options.UserIP.Append(dst, p.options.Addresses.Of(ctx))
		dst = append(dst, '"')
	}
	if p.options.Add&StampTime != 0 {
		dst = append(dst, `,"`+timeMember+`":`...)
		dst = strconv.AppendInt(dst, ctx.Time().UnixMilli(), 10)
	}
	return dst
}

// appendID appends the member that is another one for each event.
func (p *Players) appendID(dst []byte, now time.Time) []byte {
	if p.options.Add&StampID == 0 {
		return dst
	}
	dst = append(dst, `,"`+idMember+`":"`...)
	return append(p.ids.Append(dst, now), '"')
}
