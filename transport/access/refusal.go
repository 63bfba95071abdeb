package access

// A Refusal is why a request may not. The zero Refusal means that it may.
type Refusal uint8

const (
	Granted           Refusal = iota
	MissingCredential         // 401: nobody said who asks, and anonymous may not
	BadCredential             // 401: unknown, malformed, revoked, or shown in two places
	ExpiredCredential         // 401: was good
	BadTicket                 // 401: unknown, used, too late, or for something else
	MissingRole               // 403
	TooManyTickets            // 429
)

// Status is what the request is answered (RFC 6750, section 3.1).
func (r Refusal) Status() int {
	switch r {
	case Granted:
		return 200
	case MissingRole:
		return 403
	case TooManyTickets:
		return 429
	}
	return 401
}

// Label is the metric label and the log field.
func (r Refusal) Label() string { return refusals[r].label }

// Text says what the client can do.
func (r Refusal) Text() string { return refusals[r].text }

var refusals = [...]struct{ label, text string }{
	MissingCredential: {"credential_missing", "this needs a token: send Authorization: Bearer and the token"},
	BadCredential:     {"credential", "the token is not known here"},
	ExpiredCredential: {"credential_expired", "the token has expired: ask for a new one"},
	BadTicket:         {"ticket", "the ticket is not known, was used, is too old, or is for something else: ask for a new one"},
	MissingRole:       {"role", "this token may not do that"},
	TooManyTickets:    {"tickets", "too many tickets wait to be used: try again later"},
}

// Challenge is the value of WWW-Authenticate for a refusal; empty if the answer
// has none. A request without credentials is not told of an error (RFC 6750,
// section 3.1).
func (r Refusal) Challenge(need Right) string {
	const bearer = `Bearer realm="event dispatcher"`
	switch r {
	case MissingCredential:
		return bearer
	case BadCredential:
		return bearer + `, error="invalid_token", error_description="unknown token"`
	case ExpiredCredential:
		return bearer + `, error="invalid_token", error_description="expired token"`
	case BadTicket:
		return bearer + `, error="invalid_token", error_description="unknown ticket"`
	case MissingRole:
		return bearer + `, error="insufficient_scope", scope="` + need.String() + `"`
	}
	return ""
}

// An Ending is why a stream that was open may not go on.
type Ending uint8

const (
	Expired Ending = iota + 1
	Revoked
)

func (e Ending) String() string {
	if e == Expired {
		return "expired"
	}
	return "revoked"
}
