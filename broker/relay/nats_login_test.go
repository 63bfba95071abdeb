//go:build unix

package relay

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"event-dispatcher/internal/natstest"
	"event-dispatcher/internal/testkit"
)

// file is a file with this text.
func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// certificate makes one for 127.0.0.1 that signs itself, and its key.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	return testkit.Certificate(t, t.TempDir(), time.Now().Add(time.Hour))
}

// reach holds two instances at one address to hear each other, and one at another
// address not to be up.
func reach(t *testing.T, address, wrong string) {
	t.Helper()
	a, b, c := newInstance(t, address, Options{}, nil), newInstance(t, address, Options{}, nil), newInstance(t, wrong, Options{}, nil)
	up(t, a, b)
	a.post(event(1, 100))
	testkit.Eventually(t, "delivery", func() bool { return b.received.Load() == 1 })
	c.post(event(1, 100))
	testkit.Eventually(t, "local delivery", func() bool { return c.received.Load() == 1 })
	if c.relay.Up() || c.relay.Stats().Origins != 0 {
		t.Errorf("Up() = %v with %d origins; want neither", c.relay.Up(), c.relay.Stats().Origins)
	}
}

func TestNATSOverTLS(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t)
	other, _ := certificate(t)
	server := natstest.StartWith(t, fmt.Sprintf("tls { cert_file: %q, key_file: %q }\n", cert, key))
	reach(t, "tls://"+server.Addr+"?ca="+cert, "tls://"+server.Addr+"?ca="+other)
}

// The server asks for a certificate, too.
func TestNATSWithACertificateOfTheClient(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t)
	mine, secret := certificate(t)
	server := natstest.StartWith(t, fmt.Sprintf("tls { cert_file: %q, key_file: %q, ca_file: %q, verify: true }\n", cert, key, mine))
	address := "tls://" + server.Addr + "?ca=" + cert
	reach(t, address+"&cert="+mine+"&key="+secret, address)
}

// signed is a JWT as NATS has it: of subject, by issuer.
func signed(t *testing.T, issuer nkeys.KeyPair, subject string, claims map[string]any) string {
	t.Helper()
	public, err := issuer.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	claims["version"] = 2
	body, err := json.Marshal(map[string]any{"iss": public, "sub": subject, "name": "test", "iat": time.Now().Unix(), "jti": subject, "nats": claims})
	if err != nil {
		t.Fatal(err)
	}
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":"ed25519-nkey"}`)) + "." + base64.RawURLEncoding.EncodeToString(body)
	signature, err := issuer.Sign([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// A credentials file has a user's JWT and seed; the server knows the operator and the
// account that signed it.
func TestNATSCredentials(t *testing.T) {
	t.Parallel()
	pair := func(create func() (nkeys.KeyPair, error)) (nkeys.KeyPair, string) {
		keys, err := create()
		if err != nil {
			t.Fatal(err)
		}
		public, err := keys.PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		return keys, public
	}
	operator, operatorID := pair(nkeys.CreateOperator)
	account, accountID := pair(nkeys.CreateAccount)
	credentials := func(by nkeys.KeyPair) string {
		user, userID := pair(nkeys.CreateUser)
		seed, err := user.Seed()
		if err != nil {
			t.Fatal(err)
		}
		token := signed(t, by, userID, map[string]any{"type": "user", "subs": -1, "data": -1, "payload": -1})
		return file(t, "user.creds", fmt.Sprintf("-----BEGIN NATS USER JWT-----\n%s\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n%s\n------END USER NKEY SEED------\n", token, seed))
	}
	limits := map[string]any{"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1}
	server := natstest.StartWith(t, fmt.Sprintf("operator: %s\nresolver: MEMORY\nresolver_preload: { %s: %s }\n",
		signed(t, operator, operatorID, map[string]any{"type": "operator"}), accountID,
		signed(t, operator, accountID, map[string]any{"type": "account", "limits": limits})))
	stranger, _ := pair(nkeys.CreateAccount)
	reach(t, "nats://"+server.Addr+"?credentials="+credentials(account), "nats://"+server.Addr+"?credentials="+credentials(stranger))
}
