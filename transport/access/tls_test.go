package access

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"event-dispatcher/internal/testkit"
)

func openCertificate(t *testing.T, expires time.Time) (c *Certificate, dir string, logs *observer.ObservedLogs) {
	t.Helper()
	dir = t.TempDir()
	cert, key := testkit.Certificate(t, dir, expires)
	core, logs := observer.New(zap.DebugLevel)
	c, err := OpenCertificate(cert, key, zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, dir, logs
}

// handshake is the connection of a client with the given versions.
func handshake(t *testing.T, c *Certificate, minimum, maximum uint16) (tls.ConnectionState, error) {
	t.Helper()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", c.Config())
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		if nc, err := ln.Accept(); err == nil {
			_ = nc.(*tls.Conn).Handshake() // the client sees it fail
			nc.Close()
		}
	}()
	nc, err := tls.Dial("tcp", ln.Addr().String(), &tls.Config{InsecureSkipVerify: true, MinVersion: minimum, MaxVersion: maximum, NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer nc.Close()
	return nc.ConnectionState(), nil
}

func TestTLSVersions(t *testing.T) {
	c, _, _ := openCertificate(t, time.Now().Add(time.Hour))
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		state, err := handshake(t, c, version, version)
		if err != nil || state.Version != version || state.NegotiatedProtocol != "http/1.1" {
			t.Errorf("%s: %s, protocol %q, %v", tls.VersionName(version), tls.VersionName(state.Version), state.NegotiatedProtocol, err)
		}
	}
	if _, err := handshake(t, c, tls.VersionTLS10, tls.VersionTLS11); err == nil {
		t.Error("TLS 1.1 was spoken")
	}
}

func TestARenewedCertificateIsTaken(t *testing.T) {
	first := time.Now().Add(time.Hour).Truncate(time.Second)
	c, dir, _ := openCertificate(t, first)
	if !c.Expires().Equal(first) {
		t.Fatalf("Expires() = %v; want %v", c.Expires(), first)
	}
	second := first.Add(time.Hour)
	testkit.Certificate(t, dir, second)
	testkit.Eventually(t, "the renewed certificate is in use", func() bool { return c.Expires().Equal(second) })
	state, err := handshake(t, c, tls.VersionTLS12, tls.VersionTLS13)
	if err != nil || !state.PeerCertificates[0].NotAfter.Equal(second) {
		t.Errorf("a client sees %v, %v", state.PeerCertificates, err)
	}
}

func TestAKeyThatDoesNotMatchIsNotTaken(t *testing.T) {
	first := time.Now().Add(time.Hour).Truncate(time.Second)
	c, dir, logs := openCertificate(t, first)
	other := t.TempDir()
	testkit.Certificate(t, other, first.Add(time.Hour))
	raw, err := os.ReadFile(filepath.Join(other, "cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"of another key": string(raw), "half": string(raw[:len(raw)/2]), "empty": ""} {
		write(t, filepath.Join(dir, "cert.pem"), text)
		if c.Reload() == nil {
			t.Errorf("a certificate %s was taken", name)
		}
	}
	if !c.Expires().Equal(first) || c.Failures() != 3 || logs.FilterMessageSnippet("cannot load").Len() != 3 {
		t.Errorf("expires %v, %d failures, log %v", c.Expires(), c.Failures(), logs.All())
	}
}
