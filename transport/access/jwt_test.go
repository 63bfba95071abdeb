package access

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"event-dispatcher/internal/testkit"
	"event-dispatcher/transport/bucket"

	"github.com/golang-jwt/jwt/v5"
)

func b64(p []byte) string { return base64.RawURLEncoding.EncodeToString(p) }

// A signer is an issuer's secret and what the access file has of it.
type signer struct {
	kid    string
	method jwt.SigningMethod
	secret any
	public map[string]string // the jwk
}

// signers makes one of each kind, once: RSA keys take a while.
var signers = sync.OnceValue(func() map[string]*signer {
	secret := make([]byte, 32)
	rand.Read(secret)
	rs, err1 := rsa.GenerateKey(rand.Reader, 2048)
	es, err2 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	public, ed, err3 := ed25519.GenerateKey(rand.Reader)
	if err1 != nil || err2 != nil || err3 != nil {
		panic(fmt.Sprint(err1, err2, err3))
	}
	point, err := es.PublicKey.Bytes()
	if err != nil {
		panic(err)
	}
	return map[string]*signer{
		"HS256": {"hs", jwt.SigningMethodHS256, secret, map[string]string{"kty": "oct", "k": b64(secret)}},
		"RS256": {"rs", jwt.SigningMethodRS256, rs, map[string]string{"kty": "RSA", "n": b64(rs.N.Bytes()), "e": b64(big.NewInt(int64(rs.E)).Bytes())}},
		"ES256": {"es", jwt.SigningMethodES256, es, map[string]string{"kty": "EC", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])}},
		"EdDSA": {"ed", jwt.SigningMethodEdDSA, ed, map[string]string{"kty": "OKP", "crv": "Ed25519", "x": b64(public)}},
	}
})

// sign makes a JWT; header may be nil.
func (s *signer) sign(t testing.TB, claims jwt.MapClaims, header map[string]any) string {
	t.Helper()
	token := jwt.NewWithClaims(s.method, claims)
	token.Header["kid"] = s.kid
	maps.Copy(token.Header, header)
	text, err := token.SignedString(s.secret)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// good are claims that are taken; with changes some of them.
func good(change jwt.MapClaims) jwt.MapClaims {
	c := jwt.MapClaims{"iss": "https://sso.example", "aud": "dispatcher", "sub": "alice", "exp": time.Now().Add(time.Hour).Unix()}
	for k, v := range change {
		if c[k] = v; v == nil {
			delete(c, k)
		}
	}
	return c
}

// issuerFile is an access file in JSON with one issuer, whose keys come from a JWKS
// file if that has a name.
func issuerFile(t testing.TB, jwks, path string, change map[string]any, keys ...string) string {
	t.Helper()
	var set []map[string]string
	for _, k := range keys {
		s := signers()[k]
		public := maps.Clone(s.public)
		public["kid"] = s.kid
		set = append(set, public)
	}
	issuer := map[string]any{"name": "sso", "issuer": "https://sso.example", "audience": "dispatcher", "roles": []string{"consume", "publish"}}
	if jwks == "" {
		issuer["keys"] = set
	} else {
		raw, err := json.Marshal(map[string]any{"keys": set, "comment": "other members are nothing to us"})
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(filepath.Dir(path), jwks), string(raw))
		issuer["jwks"] = jwks
	}
	maps.Copy(issuer, change)
	raw, err := json.Marshal(map[string]any{"issuers": []any{issuer}})
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, string(raw))
	return path
}

func openIssuer(t testing.TB, jwks string, change map[string]any, keys ...string) (*Gate, string) {
	t.Helper()
	path := issuerFile(t, jwks, filepath.Join(t.TempDir(), "access.json"), change, keys...)
	g, err := Open(Options{Path: path, CheckView: func(view string) error {
		if strings.Contains(view, "bad") {
			return fmt.Errorf("no such view")
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g, path
}

var allAlgorithms = []string{"HS256", "RS256", "ES256", "EdDSA"}

func TestJWTsOfEveryAlgorithm(t *testing.T) {
	for _, jwks := range []string{"", "jwks.json"} {
		g, _ := openIssuer(t, jwks, nil, allAlgorithms...)
		for name, s := range signers() {
			token := s.sign(t, good(nil), nil)
			grant, r := g.ask(bearing(token), Consume)
			if r != Granted || grant.Name != "sso/alice" || !grant.SpeaksFor("alice") || grant.SpeaksFor("bob") {
				t.Errorf("%s, keys in %q: %+v, %q", name, jwks, grant, r)
			}
			if again, _ := g.ask(bearing(token), Consume); again != grant {
				t.Errorf("%s was verified twice", name)
			}
		}
	}
}

func TestBadJWTs(t *testing.T) {
	g, _ := openIssuer(t, "", nil, allAlgorithms...)
	now := time.Now()
	sign := func(alg string, claims jwt.MapClaims, header map[string]any) string {
		return signers()[alg].sign(t, claims, header)
	}
	rs := signers()["RS256"].secret.(*rsa.PrivateKey)
	der, err := x509.MarshalPKIXPublicKey(&rs.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	confused := func(secret []byte, kid string) string {
		return (&signer{kid, jwt.SigningMethodHS256, secret, nil}).sign(t, good(nil), nil)
	}
	fine := sign("ES256", good(nil), nil)
	parts := strings.Split(fine, ".")
	none := func(alg, kid string) string {
		return b64(fmt.Appendf(nil, `{"alg":%q,"kid":%q}`, alg, kid)) + "." + parts[1] + "."
	}
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, token string
		want        Refusal
	}{
		{"fine", fine, Granted},
		{"alg none", none("none", "es"), BadCredential},
		{"alg None", none("None", "es"), BadCredential},
		{"alg none of the library", (&signer{"es", jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil}).sign(t, good(nil), nil), BadCredential},
		{"alg none with a signature", none("none", "es") + parts[2], BadCredential},
		{"no alg", b64([]byte(`{"kid":"es"}`)) + "." + parts[1] + "." + parts[2], BadCredential},
		{"HS256 with the public key in PEM", confused(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), "rs"), BadCredential},
		{"HS256 with the public key in DER", confused(der, "rs"), BadCredential},
		{"HS256 with the modulus", confused(rs.N.Bytes(), "rs"), BadCredential},
		{"HS256 with an empty secret", confused([]byte{}, "hs"), BadCredential},
		{"another algorithm than the key's", sign("RS256", good(nil), map[string]any{"kid": "es"}), BadCredential},
		{"RS512", (&signer{"rs", jwt.SigningMethodRS512, rs, nil}).sign(t, good(nil), nil), BadCredential},
		{"PS256", (&signer{"rs", jwt.SigningMethodPS256, rs, nil}).sign(t, good(nil), nil), BadCredential},
		{"another key with the same kid", (&signer{"es", jwt.SigningMethodES256, stranger, nil}).sign(t, good(nil), nil), BadCredential},
		{"a key of its own in the head", (&signer{"es", jwt.SigningMethodES256, stranger, nil}).sign(t, good(nil), map[string]any{"jwk": map[string]string{"kty": "EC"}, "jku": "http://127.0.0.1/"}), BadCredential},
		{"unknown kid", sign("ES256", good(nil), map[string]any{"kid": "other"}), BadCredential},
		{"kid is a path", sign("ES256", good(nil), map[string]any{"kid": "../../dev/null"}), BadCredential},
		{"kid is a number", sign("ES256", good(nil), map[string]any{"kid": 1}), BadCredential},
		{"no kid, many keys", sign("ES256", good(nil), map[string]any{"kid": nil}), BadCredential},
		{"no exp", sign("ES256", good(jwt.MapClaims{"exp": nil}), nil), BadCredential},
		{"exp is text", sign("ES256", good(jwt.MapClaims{"exp": "tomorrow"}), nil), BadCredential},
		{"no audience", sign("ES256", good(jwt.MapClaims{"aud": nil}), nil), BadCredential},
		{"wrong audience", sign("ES256", good(jwt.MapClaims{"aud": "other"}), nil), BadCredential},
		{"audience among others", sign("ES256", good(jwt.MapClaims{"aud": []string{"other", "dispatcher"}}), nil), Granted},
		{"no issuer", sign("ES256", good(jwt.MapClaims{"iss": nil}), nil), BadCredential},
		{"wrong issuer", sign("ES256", good(jwt.MapClaims{"iss": "https://sso.example/"}), nil), BadCredential},
		{"expired", sign("ES256", good(jwt.MapClaims{"exp": now.Add(-time.Minute).Unix()}), nil), ExpiredCredential},
		{"expired within the leeway", sign("ES256", good(jwt.MapClaims{"exp": now.Add(-Leeway / 2).Unix()}), nil), Granted},
		{"not yet", sign("ES256", good(jwt.MapClaims{"nbf": now.Add(time.Minute * 2).Unix()}), nil), BadCredential},
		{"not yet within the leeway", sign("ES256", good(jwt.MapClaims{"nbf": now.Add(Leeway / 2).Unix()}), nil), Granted},
		{"expired and badly signed", (&signer{"es", jwt.SigningMethodES256, stranger, nil}).sign(t, good(jwt.MapClaims{"exp": 1}), nil), BadCredential},
		{"signature cut", fine[:len(fine)-2], BadCredential},
		{"no signature", parts[0] + "." + parts[1] + ".", BadCredential},
		{"two parts", parts[0] + "." + parts[1], BadCredential},
		{"four parts", fine + ".x", BadCredential},
		{"no base64", "a.b.c", BadCredential},
		{"only dots", "..", BadCredential},
		{"padded", fine + "==", BadCredential},
		{"claims are an array", parts[0] + "." + b64([]byte("[]")) + "." + parts[2], BadCredential},
		{"roles are not known here", sign("ES256", good(jwt.MapClaims{"roles": []string{"admin"}}), nil), MissingRole},
		{"no roles", sign("ES256", good(jwt.MapClaims{"roles": []string{}}), nil), MissingRole},
		{"other roles", sign("ES256", good(jwt.MapClaims{"roles": []string{"publish"}}), nil), MissingRole},
		{"this role and others", sign("ES256", good(jwt.MapClaims{"roles": []string{"admin", "consume"}}), nil), Granted},
		{"roles are text", sign("ES256", good(jwt.MapClaims{"roles": "consume"}), nil), BadCredential},
		{"roles are null", sign("ES256", good(jwt.MapClaims{"roles": json.RawMessage("null")}), nil), BadCredential},
		{"view is null", sign("ES256", good(jwt.MapClaims{"view": json.RawMessage("null")}), nil), BadCredential},
		{"bad view", sign("ES256", good(jwt.MapClaims{"view": "bad"}), nil), BadCredential},
		{"an extension that must be understood", sign("ES256", good(nil), map[string]any{"crit": []string{"b64"}, "b64": true}), BadCredential},
		{"audience in capitals", sign("ES256", good(jwt.MapClaims{"aud": nil, "AUD": "dispatcher"}), nil), BadCredential},
		{"long", sign("ES256", good(jwt.MapClaims{"x": strings.Repeat("x", maxCredential)}), nil), BadCredential},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if grant, got := g.ask(bearing(tt.token), Consume); got != tt.want {
				t.Errorf("Check() = %+v, %q; want %q", grant, got, tt.want)
			}
		})
	}
	if _, r := g.ask(bearing(sign("ES256", good(jwt.MapClaims{"roles": []string{"operate"}}), nil)), Operate); r != MissingRole {
		t.Error("a JWT gave itself a role that its issuer has not:", r)
	}
}

func TestAJWTIsConfinedByBothViews(t *testing.T) {
	g, _ := openIssuer(t, "", map[string]any{"view": "where=tenant=a"}, "EdDSA")
	grant, r := g.ask(bearing(signers()["EdDSA"].sign(t, good(jwt.MapClaims{"view": "where=event_name=ERROR"}), nil)), Consume)
	if r != Granted || !slices.Equal(grant.Views, []string{"where=tenant=a", "where=event_name=ERROR"}) {
		t.Errorf("%+v, %q", grant, r)
	}
	plain, _ := g.ask(bearing(signers()["EdDSA"].sign(t, good(nil), nil)), Consume)
	if !slices.Equal(plain.Views, []string{"where=tenant=a"}) {
		t.Errorf("another JWT's view: %q", plain.Views)
	}
}

// What the decoder takes for the same claim is another one.
func TestAClaimIsNotAnotherOneInCapitals(t *testing.T) {
	g, _ := openIssuer(t, "", nil, "EdDSA")
	s := signers()["EdDSA"]
	// MapClaims are written in the order of their bytes, so \u017f, which folds to s, comes behind the claim it looks like.
	for _, other := range []jwt.MapClaims{{"\u017fub": "bob"}, {"View": "where=n=1"}, {"View": 1}, {"Roles": []string{}}, {"EXP": 1}} {
		grant, r := g.ask(bearing(s.sign(t, good(other), nil)), Consume)
		if r != Granted || grant.Subject != "alice" || len(grant.Views) > 0 {
			t.Errorf("with %v: %+v, %q", other, grant, r)
		}
	}
}

func TestOneKeyNeedsNoKid(t *testing.T) {
	g, _ := openIssuer(t, "", nil, "RS256")
	if _, r := g.ask(bearing(signers()["RS256"].sign(t, good(nil), map[string]any{"kid": nil})), Consume); r != Granted {
		// nil is no string, as if the header had none
		t.Error(r)
	}
}

func TestARotatedKeyEndsItsStreams(t *testing.T) {
	g, path := openIssuer(t, "jwks.json", nil, "ES256", "EdDSA")
	var told []string
	for _, alg := range []string{"ES256", "EdDSA"} {
		grant, r := g.ask(bearing(signers()[alg].sign(t, good(nil), nil)), Consume)
		if r != Granted {
			t.Fatal(r)
		}
		if _, ok := g.watch(grant, func(Ending) { told = append(told, alg) }); !ok {
			t.Fatal("Watch() = false")
		}
	}
	issuerFile(t, "jwks.json", path, nil, "EdDSA", "HS256")
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(told, []string{"ES256"}) {
		t.Errorf("told %q; want the one whose key is gone", told)
	}
	issuerFile(t, "jwks.json", path, map[string]any{"audience": "other"}, "EdDSA")
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(told, []string{"ES256", "EdDSA"}) {
		t.Errorf("told %q after the audience is another", told)
	}
}

func TestAJWKSIsReadWhenItChanges(t *testing.T) {
	g, path := openIssuer(t, "jwks.json", nil, "ES256")
	token := bearing(signers()["EdDSA"].sign(t, good(nil), nil))
	if _, r := g.ask(token, Consume); r != BadCredential {
		t.Fatal(r)
	}
	raw, err := json.Marshal(map[string]any{"keys": []any{signers()["EdDSA"].public}})
	if err != nil {
		t.Fatal(err)
	}
	raw = []byte(strings.Replace(string(raw), `"kty"`, `"kid":"ed","kty"`, 1))
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "jwks.json"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "the new key is in force", func() bool {
		_, r := g.ask(token, Consume)
		return r == Granted
	})
}

func TestBadKeys(t *testing.T) {
	long := b64(make([]byte, 32))
	for _, tt := range []struct {
		name string
		key  jwk
		want string
	}{
		{"no type", jwk{}, "kty"},
		{"another type", jwk{Kty: "DH"}, "kty"},
		{"for encryption", jwk{Kty: "oct", K: long, Use: "enc"}, "use"},
		{"another algorithm", jwk{Kty: "oct", K: long, Alg: "HS512"}, "alg must be HS256"},
		{"none", jwk{Kty: "oct", K: long, Alg: "none"}, "alg must be HS256"},
		{"another curve", jwk{Kty: "EC", Crv: "P-521", X: long, Y: long}, "P-256"},
		{"a point off the curve", jwk{Kty: "EC", Crv: "P-256", X: long, Y: long}, "key"},
		{"a short point", jwk{Kty: "EC", Crv: "P-256", X: "AA", Y: "AA"}, "32 bytes"},
		{"a short Ed25519 key", jwk{Kty: "OKP", Crv: "Ed25519", X: "AA"}, "32 bytes"},
		{"X25519", jwk{Kty: "OKP", Crv: "X25519", X: long}, "Ed25519"},
		{"a small RSA key", jwk{Kty: "RSA", N: long, E: "AQAB"}, "2048"},
		{"RSA with e = 1", jwk{Kty: "RSA", N: b64(slices.Repeat([]byte{0xff}, 256)), E: "AQ"}, "exponent"},
		{"with padding", jwk{Kty: "oct", K: long + "="}, "base64"},
		{"nothing", jwk{Kty: "oct"}, "missing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := tt.key.key(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("key() = %v; want something with %q", err, tt.want)
			}
		})
	}
}

func TestVerifiedIsBounded(t *testing.T) {
	var v verified
	for i := range maxVerified + 500 {
		v.add(hashOf(fmt.Append(nil, i)), &known{})
	}
	if len(v.all) > maxVerified {
		t.Errorf("%d are remembered", len(v.all))
	}
}

func FuzzCredentials(f *testing.F) {
	g, _ := openIssuer(f, "", nil, allAlgorithms...)
	for _, s := range signers() {
		f.Add("Bearer "+s.sign(f, good(nil), nil), "", "")
	}
	f.Add("Bearer x", "token=x", "dispatcher, bearer.x")
	f.Fuzz(func(t *testing.T, header, query, protocols string) {
		ctx := request(credentials{authorization: []string{header}, query: query, protocols: protocols})
		for _, need := range []Right{Publish, Consume, Operate} {
			if grant, r := g.Check(ctx, nil, need); (r == Granted) != (grant != nil) || r == Granted && !grant.Rights.Has(need) {
				t.Errorf("Check(%q, %q, %q) = %+v, %q", header, query, protocols, grant, r)
			}
		}
		if picked, _ := Subprotocol(&ctx.Request.Header); strings.HasPrefix(string(picked), "bearer.") {
			t.Errorf("a ticket is picked: %q", picked)
		}
	})
}

// The rate of a JWT is that of its subject, whose bucket no new JWT and no reload fills
// again.
func TestASubjectHasOneRate(t *testing.T) {
	g, path := openIssuer(t, "", map[string]any{"rate": 2.0}, "EdDSA")
	sign := func(subject string, n int) string {
		return signers()["EdDSA"].sign(t, good(jwt.MapClaims{"sub": subject, "jti": fmt.Sprint(n)}), nil)
	}
	limit := func(subject string, n int) *bucket.Bucket {
		grant, r := g.ask(bearing(sign(subject, n)), Publish)
		if r != Granted {
			t.Fatal(r)
		}
		return grant.Limit()
	}
	alice := limit("alice", 0)
	if alice.Burst() != 2 {
		t.Errorf("%d events of alice may come at once; want her rate's 2", alice.Burst())
	}
	for n := range 10 {
		if limit("alice", n) != alice {
			t.Fatal("alice has another bucket, which is full")
		}
		if err := g.Reload(); err != nil {
			t.Fatal(err)
		}
	}
	if limit("bob", 0) == alice {
		t.Error("bob has no rate of his own")
	}
	issuerFile(t, "", path, map[string]any{"rate": 3.0}, "EdDSA")
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := limit("alice", 0).Rate(); got != 3 {
		t.Errorf("with another rate in the file alice has %v; want 3", got)
	}
}

// However large JWTs are, what is remembered of them has a bound.
func TestRememberedJWTsAreBounded(t *testing.T) {
	v := &verified{}
	add := func(n, size int) {
		h := hashOf(fmt.Append(nil, n))
		k := &known{header: make([]byte, size)}
		if v.add(h, k) != k || v.get(h) != k {
			t.Fatalf("credential %d of %d bytes is not remembered", n, size)
		}
	}
	sum := func() (bytes int) {
		for _, k := range v.all {
			bytes += len(k.header)
		}
		return bytes
	}
	for n := range 4000 {
		add(n, maxCredential)
	}
	if got := sum(); got > maxVerifiedBytes || got < maxVerifiedBytes/4 {
		t.Errorf("%d bytes of headers are remembered of at most %d", got, maxVerifiedBytes)
	}
	for n := range 20_000 {
		add(4000+n, 100)
	}
	if n := len(v.all); n != maxVerified {
		t.Errorf("%d small ones are remembered; want %d", n, maxVerified)
	}
}
