package access

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Leeway is how far the clocks of an issuer and of this machine may differ: a JWT
// is taken so long after its exp and before its nbf.
const Leeway = 30 * time.Second

// An issuer signs JWTs.
type issuer struct {
	name      string
	issuer    string
	audience  string
	keys      []*key
	rights    Rights // the most that its tokens may
	views     []string
	users     []string
	rate      float64
	checkView func(string) error
	parser    *jwt.Parser
}

func (f *fileIssuer) issuer(rights Rights, views []string, checkView func(string) error) (*issuer, error) {
	is := &issuer{name: f.Name, issuer: f.Issuer, audience: f.Audience, rights: rights, views: views, users: f.Users, rate: f.Rate, checkView: checkView}
	switch {
	case f.Issuer == "":
		return nil, errors.New("issuer is missing")
	case f.Audience == "":
		return nil, errors.New("audience is missing")
	case rights == 0:
		return nil, errors.New("roles are missing")
	case !(f.Rate >= 0):
		return nil, errors.New("rate must not be negative")
	case len(f.Keys) == 0:
		return nil, errors.New("keys or jwks is missing")
	}
	var methods []string
	for i := range f.Keys {
		k, err := f.Keys[i].key()
		if err != nil {
			return nil, err
		}
		if is.keyOf(k.id) != nil {
			return nil, fmt.Errorf("duplicate key %q", k.id)
		}
		is.keys = append(is.keys, k)
		methods = append(methods, k.method.Alg())
	}
	is.parser = jwt.NewParser(
		jwt.WithValidMethods(methods), jwt.WithIssuer(f.Issuer), jwt.WithAudience(f.Audience),
		jwt.WithExpirationRequired(), jwt.WithLeeway(Leeway), jwt.WithStrictDecoding())
	return is, nil
}

func (is *issuer) keyOf(id string) *key {
	for _, k := range is.keys {
		if k.id == id {
			return k
		}
	}
	return nil
}

// claims are those that are looked at.
type claims struct {
	jwt.RegisteredClaims
	Roles *[]string `json:"roles"` // absent: all of the issuer's
	View  string    `json:"view"`
}

var claimNames = []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "roles", "view"}

// UnmarshalJSON takes names as they are spelled, and of two claims with a name the last
// (RFC 7519, section 4). The decoder alone takes "Sub" for "sub", so that a claim that an
// issuer lets somebody choose would stand in for another one; and a null, as which some
// encode an empty list, for no claim, which does not narrow.
func (c *claims) UnmarshalJSON(raw []byte) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		return err
	}
	maps.DeleteFunc(all, func(name string, _ json.RawMessage) bool { return !slices.Contains(claimNames, name) })
	for _, name := range []string{"roles", "view"} {
		if string(all[name]) == "null" {
			return fmt.Errorf("%s is null: it may mean all or nothing", name)
		}
	}
	own, err := json.Marshal(all)
	if err != nil {
		return err
	}
	type plain claims
	return json.Unmarshal(own, (*plain)(c))
}

// isJWT reports whether a credential has the three parts of one.
func isJWT(credential []byte) bool {
	dots := 0
	for _, c := range credential {
		if c == '.' {
			dots++
		}
	}
	return dots == 2
}

var unverified = jwt.NewParser()

// maxDepth is how deep the header and the claims of a JWT may nest.
const maxDepth = 32

// isShallow reports whether a credential's header and claims are JSON that nests no deeper.
// The decoder would call itself for each level, and the connection keep as large a stack.
func isShallow(credential string) bool {
	for _, part := range strings.SplitN(credential, ".", 3)[:2] {
		text, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil || !nestsLittle(text) {
			return false
		}
	}
	return true
}

func nestsLittle(text []byte) bool {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	for depth := 0; depth <= maxDepth; {
		switch token, err := d.Token(); {
		case err != nil:
			return err == io.EOF
		case token == json.Delim('['), token == json.Delim('{'):
			depth++
		case token == json.Delim(']'), token == json.Delim('}'):
			depth--
		}
	}
	return false
}

// verify makes a grant of a JWT.
func (s *state) verify(credential string) (*Grant, Refusal) {
	if !isShallow(credential) {
		return nil, BadCredential
	}
	var c claims
	// Which keys to try is in the token itself. Nothing else of it is believed yet.
	if _, _, err := unverified.ParseUnverified(credential, &c); err != nil {
		return nil, BadCredential
	}
	is := s.issuers[c.Issuer]
	if is == nil {
		return nil, BadCredential
	}
	c = claims{}
	var by *key
	_, err := is.parser.ParseWithClaims(credential, &c, func(t *jwt.Token) (any, error) {
		id, named := t.Header["kid"].(string)
		if by = is.keyOf(id); !named && len(is.keys) == 1 {
			by = is.keys[0]
		}
		_, critical := t.Header["crit"] // extensions that must be understood (RFC 7515, section 4.1.11)
		if by == nil || by.method != t.Method || critical {
			return nil, jwt.ErrTokenUnverifiable
		}
		return by.public, nil
	})
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return nil, ExpiredCredential
	case err != nil:
		return nil, BadCredential
	}
	return is.grant(&c, by, s.buckets)
}

func (is *issuer) grant(c *claims, by *key, b *buckets) (*Grant, Refusal) {
	whose := hashOf(fmt.Appendf(nil, "%q %q", is.issuer, c.Subject))
	g := &Grant{
		Name: is.name + "/" + printable(c.Subject), Rights: is.rights, Views: is.views, Subject: c.Subject, Users: is.users,
		limit: b.of(whose, is.rate), expires: c.ExpiresAt.Add(Leeway),
		source: source{kind: fromJWT, hash: whose, issuer: is.issuer, audience: is.audience, key: by.print},
	}
	if c.Roles != nil {
		g.Rights = 0
		for _, role := range *c.Roles { // may have some that other services know
			if r, ok := rightOfRole[role]; ok {
				g.Rights |= SetOf(r)
			}
		}
		g.Rights &= is.rights
	}
	if c.View != "" {
		if len(c.View) > maxCredential || is.checkView != nil && is.checkView(c.View) != nil {
			return nil, BadCredential
		}
		g.Views = append(slices.Clip(g.Views), c.View)
	}
	g.life = &life{at: -1, grant: g}
	return g, Granted
}

// again is g as the issuer would give it now; nil if it would not. That the key is
// the same stands for the signature.
func (is *issuer) again(g *Grant) *Grant {
	signs := func(k *key) bool { return k.print == g.source.key }
	if is.audience != g.source.audience || !slices.ContainsFunc(is.keys, signs) {
		return nil
	}
	now := *g
	now.Rights &= is.rights
	now.Users = is.users
	if own := len(is.views); len(g.Views) < own || !slices.Equal(g.Views[:own], is.views) {
		return nil
	}
	return &now
}

// printable is text for logs.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r > 0x7e {
			return '?'
		}
		return r
	}, text)
	return text[:min(len(text), 64)]
}

// verified keeps the credentials that were good: a signature takes 30 to 100 µs.
type verified struct {
	mu    sync.RWMutex
	all   map[hash]*known
	bytes int // what all of them take
}

// maxVerified and maxVerifiedBytes are how many are remembered; others are verified
// again.
const (
	maxVerified      = 10_000
	maxVerifiedBytes = 16 << 20
)

func (v *verified) get(h hash) *known {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.all[h]
}

// add remembers one, or returns the one that somebody else was first with.
func (v *verified) add(h hash, k *known) *known {
	v.mu.Lock()
	defer v.mu.Unlock()
	if first := v.all[h]; first != nil {
		return first
	}
	if v.all == nil {
		v.all = map[hash]*known{}
	}
	for other, o := range v.all { // any one: maps begin anywhere
		if len(v.all) < maxVerified && v.bytes+k.size() <= maxVerifiedBytes {
			break
		}
		v.bytes -= o.size()
		delete(v.all, other)
	}
	v.all[h] = k
	v.bytes += k.size()
	return k
}

// size is what a credential takes, in bytes: itself, and the claims in its grant, which
// are no longer.
func (k *known) size() int { return 2*len(k.header) + 512 }
