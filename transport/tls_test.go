package transport

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"event-dispatcher/internal/testkit"
	"event-dispatcher/transport/access"
	"event-dispatcher/transport/refusal"
)

// overTLS serves over TLS, and gives requests and handshakes as much time as said.
func overTLS(t *testing.T, limit time.Duration) *testServer {
	var c *access.Certificate
	return start(t, withTLS(t, t.TempDir(), &c), func(o *setup) { o.ReadTimeout, o.IdleTimeout = limit, limit })
}

// A record of TLS, of handshake messages or what looks like data.
func tlsRecord(kind byte, body []byte) []byte {
	return append([]byte{kind, 3, 3, byte(len(body) >> 8), byte(len(body))}, body...)
}

// wantClosed waits for the end of a connection.
func wantClosed(t *testing.T, c net.Conn, what string) {
	t.Helper()
	if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%s: the connection is still open after %v; want it closed", what, patience)
	}
}

// helloOf begins a ClientHello that is to have so many bytes.
func helloOf(n, there int) []byte {
	hello := append([]byte{1, 0, byte(n >> 8), byte(n), 3, 3}, bytes.Repeat([]byte("A"), there)...)
	var records []byte
	for ; len(hello) > 0; hello = hello[min(len(hello), 16<<10):] {
		records = append(records, tlsRecord(22, hello[:min(len(hello), 16<<10)])...)
	}
	return records
}

func TestALongHandshakeIsNotKept(t *testing.T) {
	t.Parallel()
	s := overTLS(t, time.Hour)
	c := s.dial()
	c.Write(helloOf(65500, 64000)) // may fail: the server has closed
	wantClosed(t, c, "64,000 bytes of a ClientHello of 65,500")
}

func TestAHandshakeThatDripsEndsInTime(t *testing.T) {
	t.Parallel()
	s := overTLS(t, 200*time.Millisecond)
	c := s.dial()
	go func() {
		for _, b := range helloOf(12000, 12000) {
			if _, err := c.Write([]byte{b}); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	wantClosed(t, c, "a byte of a ClientHello now and then")
}

// Who speaks HTTP where TLS is spoken is told so, and counted; who speaks something else is not.
func TestWhoSpeaksHTTPWithoutTLSIsTold(t *testing.T) {
	t.Parallel()
	s := overTLS(t, time.Hour)
	for sent, want := range map[string]string{
		request("GET", "/events", ""):                                     "plain_http: this port speaks TLS",
		request("HEAD", "/health", ""):                                    "plain_http: this port speaks TLS",
		request("POST", "/api/events", `{}`):                              "plain_http: this port speaks TLS",
		request("POST", "/metrics", `"`+strings.Repeat("x", 200<<10)+`"`): "plain_http: this port speaks TLS",
		"SSH-2.0-OpenSSH_9.6\r\n":                                         "",
	} {
		c := s.dial()
		io.WriteString(c, sent)
		got, err := io.ReadAll(c)
		if err != nil {
			t.Errorf("%.20q over TLS's port: %v", sent, err)
		}
		if !strings.Contains(string(got), want) || (want == "") != (len(got) == 0) || want != "" && !bytes.HasPrefix(got, []byte("HTTP/1.1 400 ")) {
			t.Errorf("%.20q over TLS's port is answered %q; want 400 and %q", sent, got, want)
		}
	}
	if n := s.refusals.Total(refusal.PlainHTTP); n != 4 {
		t.Errorf("%d are counted; want 4", n)
	}
}

// Clients that offer much, and send a body right behind the handshake, are served.
func TestALargeClientHelloIsServed(t *testing.T) {
	t.Parallel()
	s := overTLS(t, time.Hour)
	protocols := []string{"http/1.1"}
	for range 50 {
		protocols = append(protocols, strings.Repeat("p", 200))
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		tickets := tls.NewLRUClientSessionCache(1)
		for _, resumed := range []bool{false, true} {
			c := tls.Client(s.dial(), &tls.Config{
				InsecureSkipVerify: true, MinVersion: version, MaxVersion: version, NextProtos: protocols,
				ClientSessionCache: tickets, ServerName: "localhost",
			})
			answers := bufio.NewReader(c)
			for range 2 {
				io.WriteString(c, request("POST", "/metrics", `"`+strings.Repeat("x", 100<<10)+`"`))
				resp, err := http.ReadResponse(answers, nil)
				if err != nil || resp.StatusCode != 200 || c.ConnectionState().DidResume != resumed {
					t.Fatalf("%s: %v, %v, resumed %v; want 200, nil, %v", tls.VersionName(version), resp, err, c.ConnectionState().DidResume, resumed)
				}
				io.Copy(io.Discard, resp.Body)
			}
		}
	}
}

// Also after the handshake TLS keeps what has come of a message of its own. A stream is
// open for long, and its peer need not send anything else.
func TestAStreamKeepsNoLongMessageOfTLS(t *testing.T) {
	t.Parallel()
	s := overTLS(t, time.Hour)
	bare := s.dial()
	var secrets bytes.Buffer
	c := tls.Client(bare, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, KeyLogWriter: &secrets})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	if suite := c.ConnectionState().CipherSuite; suite != tls.TLS_AES_128_GCM_SHA256 {
		testkit.NotRun(t, "the cipher is "+tls.CipherSuiteName(suite)+", of which this test has none")
	}
	seal := sealer(t, secrets.String())
	bare.Write(seal(23, []byte(request("GET", "/events", ""))))
	if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || resp.StatusCode != 200 {
		t.Fatalf("a stream over TLS: %v, %v", resp, err)
	}
	const declared = 250_000 // "a certificate", and it never ends
	message := append([]byte{11, declared >> 16, declared >> 8 & 0xff, declared & 0xff}, make([]byte, 60000)...)
	for ; len(message) > 0; message = message[min(len(message), 16000):] {
		bare.Write(seal(22, message[:min(len(message), 16000)])) // may fail: the server has closed
	}
	wantClosed(t, bare, "60,000 bytes of a certificate of 250,000 after the handshake")
	testkit.Eventually(t, "the stream is over", func() bool { return s.pool.Stats().Consumers == 0 })
}

// sealer makes records of TLS 1.3 as the client would whose secrets these are (RFC 8446,
// sections 5.2 and 7.3).
func sealer(t *testing.T, secrets string) func(kind byte, body []byte) []byte {
	_, line, _ := strings.Cut(secrets, "CLIENT_TRAFFIC_SECRET_0 ")
	line, _, _ = strings.Cut(line, "\n")
	_, text, _ := strings.Cut(line, " ")
	secret, err := hex.DecodeString(text)
	if err != nil || len(secret) != sha256.Size {
		t.Fatalf("client's secret = %q, %v", text, err)
	}
	expand := func(label string, n int) []byte {
		label = "tls13 " + label
		key, err := hkdf.Expand(sha256.New, secret, string([]byte{0, byte(n), byte(len(label))})+label+"\x00", n)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	block, err := aes.NewCipher(expand("key", 16))
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	iv := expand("iv", aead.NonceSize())
	var number uint64
	return func(kind byte, body []byte) []byte {
		nonce := bytes.Clone(iv)
		tail := nonce[len(nonce)-8:]
		binary.BigEndian.PutUint64(tail, binary.BigEndian.Uint64(tail)^number)
		number++
		body = append(bytes.Clone(body), kind)
		head := tlsRecord(23, make([]byte, len(body)+aead.Overhead()))[:5]
		return aead.Seal(head, nonce, body, head)
	}
}
