package ingest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"event-dispatcher/broker/event"
	"event-dispatcher/transport/access"
	"event-dispatcher/transport/client"
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

// members are what is added to objects. It is fixed after New.
type members struct {
	stamps    Stamps
	userIP    access.UserIP
	addresses *client.Addresses
	ids       *event.IDs
	anywhere  event.Names // members that objects get on all paths
	objects   event.Names // and on those that add the address
}

func newMembers(o *Options) members {
	m := members{stamps: o.Add, userIP: o.UserIP, addresses: o.Addresses, ids: event.NewIDs(), anywhere: event.NewNames(o.Add.names()...)}
	m.objects = event.NewNames(o.added()...)
	return m
}

// added is the names of all members that may be added.
func (o *Options) added() []string {
	if o.UserIP.Off() {
		return o.Add.names()
	}
	return append([]string{addressMember}, o.Add.names()...)
}

// names are those of the members that an event gets; objects says whether it must be one.
func (m *members) names(objects bool) event.Names {
	if objects {
		return m.objects
	}
	return m.anywhere
}

// append appends the members that are the same for all events of a request,
// each with a comma before it.
func (m *members) append(dst []byte, ctx *fasthttp.RequestCtx, address bool) []byte {
	if address && !m.userIP.Off() {
		dst = append(dst, `,"`+addressMember+`":"`...)
		dst = m.userIP.Append(dst, m.addresses.Of(ctx))
		dst = append(dst, '"')
	}
	if m.stamps&StampTime != 0 {
		dst = append(dst, `,"`+timeMember+`":`...)
		dst = strconv.AppendInt(dst, ctx.Time().UnixMilli(), 10)
	}
	return dst
}

// appendID appends the member that is another one for each event.
func (m *members) appendID(dst []byte, now time.Time) []byte {
	if m.stamps&StampID == 0 {
		return dst
	}
	dst = append(dst, `,"`+idMember+`":"`...)
	return append(m.ids.Append(dst, now), '"')
}

// open makes an object ready for members to be added: those that it brings
// itself are cut, and it is split before its last brace.
func open(object []byte, names event.Names) (head, tail []byte, empty, ok bool) {
	if !event.IsObject(object) {
		return nil, nil, false, false
	}
	return event.SplitObject(names.Cut(object))
}
