package access

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"event-dispatcher/transport/bucket"
)

// A file is an access file as it is written, in JSON or TOML.
type file struct {
	Anonymous fileAnonymous `json:"anonymous" toml:"anonymous"`
	Tokens    []fileToken   `json:"tokens" toml:"tokens"`
	Issuers   []fileIssuer  `json:"issuers" toml:"issuers"`
}

type fileAnonymous struct {
	Roles []string `json:"roles" toml:"roles"`
	View  string   `json:"view" toml:"view"`
	Users []string `json:"users" toml:"users"`
}

type fileToken struct {
	Name     string    `json:"name" toml:"name"`
	SHA256   string    `json:"sha256" toml:"sha256"`
	Roles    []string  `json:"roles" toml:"roles"`
	View     string    `json:"view" toml:"view"`
	Rate     float64   `json:"rate" toml:"rate"`
	Expires  time.Time `json:"expires" toml:"expires"`
	CMCDStop bool      `json:"cmcd_stop" toml:"cmcd_stop"`
	Subject  string    `json:"subject" toml:"subject"`
	Users    []string  `json:"users" toml:"users"`
}

type fileIssuer struct {
	Name     string   `json:"name" toml:"name"`
	Issuer   string   `json:"issuer" toml:"issuer"`
	Audience string   `json:"audience" toml:"audience"`
	Keys     []jwk    `json:"keys" toml:"keys"`
	JWKS     string   `json:"jwks" toml:"jwks"` // a file, found from the access file's folder
	Roles    []string `json:"roles" toml:"roles"`
	View     string   `json:"view" toml:"view"`
	Rate     float64  `json:"rate" toml:"rate"`
	Users    []string `json:"users" toml:"users"`
}

// maxFile is the largest access or key file that is read, in bytes: some 10,000 tokens.
const maxFile = 4 << 20

// load reads an access file, and notes in seen the files that it is made of.
func load(path string, checkView func(string) error, seen *files) (*state, error) {
	seen.add(path)
	raw, err := readFile(path)
	if err != nil {
		return nil, err
	}
	var f file
	if strings.EqualFold(filepath.Ext(path), ".json") {
		err = decodeJSON(raw, &f, true)
	} else {
		err = decodeTOML(raw, &f)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for i := range f.Issuers {
		is := &f.Issuers[i]
		if is.JWKS == "" {
			continue
		}
		keys := is.JWKS
		if !filepath.IsAbs(keys) {
			keys = filepath.Join(filepath.Dir(path), keys)
		}
		seen.add(keys)
		more, err := loadJWKS(keys)
		if err != nil {
			return nil, err
		}
		is.Keys = append(is.Keys, more...)
	}
	s, err := f.state(checkView)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(raw) > maxFile {
		err = fmt.Errorf("%s: larger than %d bytes", path, maxFile)
	}
	return raw, err
}

// decodeJSON takes one value and nothing behind it; strict refuses unknown keys.
func decodeJSON(raw []byte, into any, strict bool) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	if strict {
		d.DisallowUnknownFields()
	}
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("unexpected data after the end")
	}
	return nil
}

const kinds = ` (a time is 2027-01-01T00:00:00Z, a list is ["consume"])`

func decodeTOML(raw []byte, into any) error {
	meta, err := toml.Decode(string(raw), into)
	var bad toml.ParseError
	if errors.As(err, &bad) { // its text quotes the file, which may hold secrets
		return fmt.Errorf("line %d, last key %q: wrong syntax, or not the kind of value that the key takes%s", bad.Position.Line, bad.LastKey, kinds)
	}
	if err != nil {
		return fmt.Errorf("%w%s", err, kinds)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return fmt.Errorf("unknown key %q: is it spelled right?", unknown[0].String())
	}
	return nil
}

// A state is everything that an access file says. It is fixed; a reload makes a
// new one.
type state struct {
	number    uint64 // of the reload
	anonymous *Grant
	tokens    map[hash]*Grant
	issuers   map[string]*issuer // by the claim iss
	verified  verified           // JWTs that were good
	buckets   *buckets           // of their subjects; goes from one state to the next
}

// keepRates lets a reload not refill the buckets of limits that are as before.
func (s *state) keepRates(before *state) {
	s.buckets = before.buckets
	for h, g := range s.tokens {
		if old := before.tokens[h]; old != nil && old.limit != nil && g.limit != nil && old.limit.Rate() == g.limit.Rate() {
			g.limit = old.limit
		}
	}
}

func (f *file) state(checkView func(string) error) (*state, error) {
	s := &state{tokens: map[hash]*Grant{}, issuers: map[string]*issuer{}, buckets: &buckets{}}
	names := map[string]bool{"anonymous": true}
	check := func(what, name, view string, roles []string) (Rights, []string, error) {
		if !validName(name) {
			return 0, nil, fmt.Errorf("%s: name must have 1 to 64 letters, digits, blanks or -_.:@", what)
		}
		if names[name] {
			return 0, nil, fmt.Errorf("duplicate name %q", name)
		}
		names[name] = true
		return checkGrant(name, view, roles, checkView)
	}

	rights, views, err := checkGrant("anonymous", f.Anonymous.View, f.Anonymous.Roles, checkView)
	if err != nil {
		return nil, err
	}
	s.anonymous = &Grant{Name: "anonymous", Rights: rights, Views: views, Users: f.Anonymous.Users}

	for i, t := range f.Tokens {
		rights, views, err := check(fmt.Sprintf("token %d", i+1), t.Name, t.View, t.Roles)
		if err != nil {
			return nil, err
		}
		h, ok := parseHash(t.SHA256)
		switch {
		case !ok:
			return nil, fmt.Errorf("%s: sha256 must be 64 hexadecimal digits: 'event_dispatcher token' prints them", t.Name)
		case s.tokens[h] != nil:
			return nil, fmt.Errorf("%s and %s are the same token", s.tokens[h].Name, t.Name)
		case rights == 0:
			return nil, fmt.Errorf("%s: roles are missing: some of publish, consume, operate", t.Name)
		case !(t.Rate >= 0):
			return nil, fmt.Errorf("%s: rate must not be negative", t.Name)
		}
		s.tokens[h] = &Grant{
			Name: t.Name, Rights: rights, Views: views, Subject: t.Subject, Users: t.Users, CMCDStop: t.CMCDStop,
			limit: bucket.PerSecond(t.Rate), expires: t.Expires, source: source{kind: fromToken, hash: h},
		}
	}
	for i, fi := range f.Issuers {
		rights, views, err := check(fmt.Sprintf("issuer %d", i+1), fi.Name, fi.View, fi.Roles)
		if err != nil {
			return nil, err
		}
		is, err := fi.issuer(rights, views, checkView)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", fi.Name, err)
		}
		if s.issuers[fi.Issuer] != nil {
			return nil, fmt.Errorf("duplicate issuer %s", fi.Name)
		}
		s.issuers[fi.Issuer] = is
	}
	for _, g := range s.all() {
		g.life = &life{at: -1, grant: g}
	}
	return s, nil
}

// all are the grants that the file itself gives.
func (s *state) all() []*Grant {
	list := []*Grant{s.anonymous}
	for _, g := range s.tokens {
		list = append(list, g)
	}
	return list
}

// find is the grant that the source of an earlier one gives now; nil if none.
func (s *state) find(g *Grant) *Grant {
	switch g.source.kind {
	case fromToken:
		return s.tokens[g.source.hash]
	case fromJWT:
		if is := s.issuers[g.source.issuer]; is != nil {
			return is.again(g)
		}
		return nil
	}
	return s.anonymous
}

func checkGrant(name, view string, roles []string, checkView func(string) error) (Rights, []string, error) {
	rights, ok := parseRoles(roles)
	if !ok {
		return 0, nil, fmt.Errorf("%s: roles are publish, consume, operate", name)
	}
	if view == "" {
		return rights, nil, nil
	}
	if checkView != nil {
		if err := checkView(view); err != nil {
			return 0, nil, fmt.Errorf("%s: view: %w", name, err)
		}
	}
	return rights, []string{view}, nil
}

// validName keeps names fit for logs.
func validName(name string) bool {
	if len(name) == 0 || len(name) > 64 {
		return false
	}
	for _, c := range name {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("-_.:@ ", c)) {
			return false
		}
	}
	return true
}
