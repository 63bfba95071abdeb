package access

import (
	"slices"
	"strings"
	"time"

	"event-dispatcher/transport/bucket"
)

// Rights is a set of rights.
type Rights uint8

// SetOf is the set of the given rights.
func SetOf(rights ...Right) Rights {
	var s Rights
	for _, r := range rights {
		s |= 1 << r
	}
	return s
}

// Has reports whether r is in the set.
func (s Rights) Has(r Right) bool { return s>>r&1 != 0 }

// A Grant is what somebody may do. It is shared by everybody who has it, and fixed.
type Grant struct {
	// Name is the token's in the access file, or "issuer/subject" of a JWT, or
	// "anonymous". It is for logs and for /consumers, never for a metric's label.
	Name string

	Rights Rights

	// Views are the queries that confine a consumer: it sees only events that all
	// of them let through, whatever else it asks for. None: everything.
	Views []string

	// Subject is the user whom the session API takes this for. Empty: nobody.
	Subject string

	// Users are the others for whom it may speak; "*" is all.
	Users []string

	// CMCDStop tells players that report with this grant to stop.
	CMCDStop bool

	limit   *bucket.Bucket // nil: the rate is that of any client
	expires time.Time      // zero: never
	source  source         // what it is looked for by after a reload
	life    *life
}

// Everybody is what all may do where no access file is given.
var everybody = &Grant{Name: "anonymous", Rights: SetOf(Publish, Consume, Operate), Users: []string{"*"}}

// Limit is the grant's own rate, which then stands for that of its client; nil: it
// has none.
func (g *Grant) Limit() *bucket.Bucket { return g.limit }

// SpeaksFor reports whether the grant may act as the user of the session API.
func (g *Grant) SpeaksFor(user string) bool {
	return g.Subject != "" && g.Subject == user || slices.Contains(g.Users, user) || slices.Contains(g.Users, "*")
}

// SeesSessionsOf reports whether the grant may read what is stored of a user of the session
// API. A view confines who has it to a part of the events, and says nothing of sessions: it
// leaves those of users for whom the grant speaks.
func (g *Grant) SeesSessionsOf(user string) bool { return len(g.Views) == 0 || g.SpeaksFor(user) }

// SeesAllSessions reports whether it may read those of all users.
func (g *Grant) SeesAllSessions() bool { return len(g.Views) == 0 || slices.Contains(g.Users, "*") }

// Expires is when the grant ends; zero if it does not.
func (g *Grant) Expires() time.Time { return g.expires }

// expired reports whether the grant has ended. A request whose body is still
// expected has no time yet: a zero now.
func (g *Grant) expired(now time.Time) bool {
	if g.expires.IsZero() {
		return false
	}
	if now.IsZero() {
		now = time.Now()
	}
	return !now.Before(g.expires)
}

// anonymous reports whether the grant is that of those who bring no credentials.
func (g *Grant) anonymous() bool { return g.source.kind == fromNobody }

// stillStands reports whether streams that were opened with g may go on now that
// the same credentials give next.
func (g *Grant) stillStands(next *Grant) bool {
	return next != nil && next.Rights.Has(Consume) &&
		slices.Equal(g.Views, next.Views) && g.Subject == next.Subject && slices.Equal(g.Users, next.Users)
}

// A source is where a grant comes from.
type source struct {
	kind             sourceKind
	hash             hash   // of the token; of a JWT's issuer and subject. It is whom rates and tickets are counted for
	issuer, audience string // of a JWT
	key              hash   // of the key that signed it
}

type sourceKind uint8

const (
	fromNobody sourceKind = iota
	fromToken
	fromJWT
)

// parseRoles makes rights of the roles of an access file or a JWT.
func parseRoles(roles []string) (Rights, bool) {
	var s Rights
	for _, name := range roles {
		r, ok := rightOfRole[strings.ToLower(name)]
		if !ok {
			return 0, false
		}
		s |= SetOf(r)
	}
	return s, true
}

var rightOfRole = map[string]Right{"publish": Publish, "consume": Consume, "operate": Operate}
