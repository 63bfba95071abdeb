//go:build unix

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// An identity is a certificate of this machine, which nobody trusts but who is told to.
type identity struct {
	cert, key string // files
	roots     *x509.CertPool
	pin       string // of its public key, for Chromium
}

func newIdentity(t testing.TB) identity {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		Subject:      pkix.Name{CommonName: "localhost"}, // curl wants one
		SerialNumber: big.NewInt(time.Now().UnixNano()), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		BasicConstraintsValid: true, IsCA: true, // or Node.js does not take it for a root
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(parsed.RawSubjectPublicKeyInfo)
	dir := t.TempDir()
	id := identity{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), x509.NewCertPool(), base64.StdEncoding.EncodeToString(sum[:])}
	id.roots.AddCert(parsed)
	for path, block := range map[string]*pem.Block{id.cert: {Type: "CERTIFICATE", Bytes: der}, id.key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return id
}

// players are clients that trust the certificate.
func (id identity) players() *http.Client {
	return &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: id.roots}}}
}

// Live events over https, in Node.js, which trusts the certificate as a root.
func TestNodeReadsServerSentEventsOverTLS(t *testing.T) {
	id := newIdentity(t)
	addr := start(t, 1, "-tls-cert", id.cert, "-tls-key", id.key)[0]
	t.Setenv("NODE_EXTRA_CA_CERTS", "")
	var refused lines
	run(t, &refused, &refused, "node", "sse.mjs", "https://"+addr+"/events")
	eventually(t, "Node.js refuses a certificate that it does not trust", func() bool {
		all := each[happening](&refused)
		return len(all) == 1 && all[0].Kind == "error"
	})
	t.Setenv("NODE_EXTRA_CA_CERTS", id.cert)
	var out lines
	run(t, &out, &out, "node", "sse.mjs", "https://"+addr+"/events")
	eventually(t, "the stream opens", func() bool { return len(each[happening](&out)) > 0 })
	publishOverTLS(t, id, addr)
	eventually(t, "all events arrive", func() bool { return len(texts(&out)) == len(published) })
	if got := texts(&out); !slices.Equal(got, published) {
		t.Errorf("Node.js got %.200q; want %.200q", got, published)
	}
}

// The same in Chromium, which takes this one certificate and no other.
func TestBrowserReadsServerSentEventsOverTLS(t *testing.T) {
	t.Parallel()
	id := newIdentity(t)
	addr := start(t, 1, "-tls-cert", id.cert, "-tls-key", id.key)[0]
	do := browse(t, "https://"+addr+"/health", chromedp.Flag("ignore-certificate-errors-spki-list", id.pin))
	do(`got = []; state = "opening"; source = new EventSource("/events");
		source.onopen = () => state = "open"; source.onerror = () => state = "error"; source.onmessage = e => got.push(e.data); 0`, nil)
	var state string
	eventually(t, "the stream opens", func() bool { do("state", &state); return state == "open" })
	publishOverTLS(t, id, addr)
	var got []string
	eventually(t, "all events arrive", func() bool { do("got", &got); return len(got) == len(published) })
	if !slices.Equal(got, published) {
		t.Errorf("Chromium got %.200q; want %.200q", got, published)
	}
	var protocol string
	do(`performance.getEntriesByType("navigation")[0].nextHopProtocol`, &protocol)
	if protocol != "http/1.1" {
		t.Errorf("Chromium speaks %q; want http/1.1", protocol)
	}
}

// published are events of some sizes.
var published = []string{`{"n":1}`, `{"n":2,"text":"ü"}`, `{"n":3,"pad":"` + strings.Repeat("x", 200<<10) + `"}`, `{"n":4}`}

func publishOverTLS(t testing.TB, id identity, addr string) {
	t.Helper()
	client := id.players()
	defer client.CloseIdleConnections()
	for _, event := range published {
		resp, err := client.Post("https://"+addr+"/metrics", "application/json", strings.NewReader(event))
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("POST over TLS = %v, %v; want 200", resp, err)
		}
		resp.Body.Close()
	}
}
