package transport

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"event-dispatcher/transport/access"
)

func TestClientOverItsLimitIsTold(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *setup) { o.ClientRate = 1 })
	for i, tt := range []struct {
		client string
		status int
	}{
		{"198.51.100.1", 200},
		{"198.51.100.1", 429},
		{"198.51.100.2", 200},
		{"2001:db8::1", 200},
		{"2001:db8::ffff", 429}, // the same /64
		{"2001:db8:0:1::1", 200},
		{"garbage", 200}, // the peer
		{"garbage", 429},
	} {
		a := s.send(request("POST", "/metrics", "{}", "X-Forwarded-For: "+tt.client))
		if a.status != tt.status {
			t.Errorf("POST %d of %s = %d %q; want %d", i, tt.client, a.status, a.body, tt.status)
		}
		if (a.status == 429) != (a.header.Get("Retry-After") != "" && a.reason() == "client_limit") {
			t.Errorf("POST %d of %s = %d %q, Retry-After %q; want Retry-After and client_limit with 429", i, tt.client, a.status, a.body, a.header.Get("Retry-After"))
		}
	}
}

func TestServiceOverItsLimitIsTold(t *testing.T) {
	t.Parallel()
	s := start(t, func(o *setup) { o.IngestRate = 0.001 })
	s.post("/metrics", "{}")
	for _, path := range []string{"/metrics", "/api/events"} {
		a := s.send(request("POST", path, "{}"))
		if a.status != 503 || a.reason() != "overloaded" || a.header.Get("Retry-After") == "" {
			t.Errorf("POST %s over the limit = %d %q; want 503 with Retry-After", path, a.status, a.body)
		}
	}
}

// Signatures are dear: who brings bad ones is told to wait, and others are not.
func TestBadJWTsCountAsEventsOfTheirClient(t *testing.T) {
	t.Parallel()
	public, secret, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "access.toml")
	file := fmt.Sprintf("[[issuers]]\nname = \"sso\"\nissuer = \"i\"\naudience = \"a\"\nroles = [\"consume\"]\n[[issuers.keys]]\nkid = \"1\"\nkty = \"OKP\"\ncrv = \"Ed25519\"\nx = %q\n",
		base64.RawURLEncoding.EncodeToString(public))
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, func(o *setup) {
		o.ClientRate = 0.001 // one, and no other for a quarter of an hour
		g, err := access.Open(access.Options{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(g.Close)
		o.Gate = g
	})
	sign := func(subject string, by any) string {
		token, err := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{"iss": "i", "aud": "a", "sub": subject, "exp": time.Now().Add(time.Hour).Unix()}).SignedString(by)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	_, other, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	const attacker, customer = "198.51.100.1", "198.51.100.2"
	known := sign("known", secret)
	for i, tt := range []struct {
		client, token string
		status        int
	}{
		{attacker, known, 200},
		{attacker, sign("x", other), 401},
		{attacker, sign("y", other), 429},
		{attacker, known, 200}, // costs nothing
		{customer, sign("new", secret), 200},
		{customer, sign("newer", secret), 200}, // those that are good do not count
		{customer, sign("x", other), 401},
	} {
		a := s.send(request("GET", "/events/view", "", "X-Forwarded-For: "+tt.client, "Authorization: Bearer "+tt.token))
		if a.status != tt.status || a.status == 429 && (a.reason() != "client_limit" || a.header.Get("Retry-After") == "") {
			t.Errorf("request %d of %s = %d %q; want %d", i, tt.client, a.status, a.body, tt.status)
		}
	}
}
