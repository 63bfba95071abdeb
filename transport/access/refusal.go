package access

import "event-dispatcher/transport/refusal"

// A Refusal is why a request may not. The zero Refusal means that it may.
type Refusal uint8

const (
	Granted           Refusal = iota
	MissingCredential         // nobody said who asks, and anonymous may not
	BadCredential             // unknown, malformed, revoked, or shown in two places
	ExpiredCredential         // was good
	BadTicket                 // unknown, used, too late, or for something else
	MissingRole
	TooManyTickets
	TooManyBad // JWTs that the client brought
)

// refusals has for each the reason that the client is told, and the error code of
// RFC 6750, section 3.1, with a description. A request without credentials is not
// told of an error.
var refusals = [...]struct {
	reason            refusal.Reason
	code, description string
}{
	MissingCredential: {refusal.CredentialMissing, "", ""},
	BadCredential:     {refusal.Credential, "invalid_token", "unknown token"},
	ExpiredCredential: {refusal.CredentialExpired, "invalid_token", "expired token"},
	BadTicket:         {refusal.Ticket, "invalid_token", "unknown ticket"},
	MissingRole:       {refusal.Role, "insufficient_scope", ""},
	TooManyTickets:    {refusal.Tickets, "", ""},
	TooManyBad:        {refusal.ClientLimit, "", ""},
}

// Reason is what the client is told. There is none for Granted.
func (r Refusal) Reason() refusal.Reason { return refusals[r].reason }

// String is the label of the reason.
func (r Refusal) String() string {
	if r == Granted {
		return "granted"
	}
	return r.Reason().String()
}

// Challenge is the value of WWW-Authenticate for a refusal; empty if the answer
// has none.
func (r Refusal) Challenge(need Right) string {
	if status := r.Reason().Status(); status != 401 && status != 403 {
		return ""
	}
	c := `Bearer realm="event dispatcher"`
	if why := refusals[r]; why.code != "" {
		c += `, error="` + why.code + `"`
		if why.description != "" {
			c += `, error_description="` + why.description + `"`
		}
	}
	if r == MissingRole {
		c += `, scope="` + need.String() + `"`
	}
	return c
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
