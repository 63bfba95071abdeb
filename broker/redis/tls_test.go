//go:build unix

package redis

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"event-dispatcher/internal/redistest"
	"event-dispatcher/internal/testkit"
)

func TestTLSIsVerifiedUnlessToldOtherwise(t *testing.T) {
	cert, key := selfSigned(t)
	addr := testkit.FreeAddr(t)
	_, port, _ := net.SplitHostPort(addr)
	redistest.StartAt(t, addr, "--port", "0", "--tls-port", port, "--tls-auth-clients", "no",
		"--tls-cert-file", cert, "--tls-key-file", key, "--requirepass", "p")
	open := func(query string) (g *Guard, failure chan error) {
		config, err := Parse("rediss://:p@" + addr + query)
		if err != nil {
			t.Fatal(err)
		}
		failure = make(chan error, 1)
		g = NewGuard(config, testkit.Patience, func(_ bool, err error) {
			select {
			case failure <- err:
			default:
			}
		})
		t.Cleanup(g.Close)
		return g, failure
	}
	trusting, _ := open("?skip_verify=true")
	testkit.Eventually(t, "up with skip_verify", trusting.Up)
	_, failure := open("")
	if err := <-failure; err == nil {
		t.Error("connected to a server whose certificate nobody signed")
	}
}

// A server that wants to know its clients, and has the name of a service.
func TestTLSWithOwnCertificateAndServerName(t *testing.T) {
	cert, key := selfSigned(t)
	addr := testkit.FreeAddr(t)
	_, port, _ := net.SplitHostPort(addr)
	redistest.StartAt(t, addr, "--port", "0", "--tls-port", port, "--tls-auth-clients", "yes",
		"--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert)
	own := "&cert=" + cert + "&key=" + key
	for _, tt := range []struct {
		options string
		up      bool
	}{
		{"?ca=" + cert + own + "&server_name=" + serviceName, true},
		{"?ca=" + cert + own, false}, // the certificate is not for 127.0.0.1
		{"?ca=" + cert + "&server_name=" + serviceName, false},
		{"?" + own[1:] + "&server_name=" + serviceName, false},
	} {
		config, err := Parse("rediss://" + addr + tt.options)
		if err != nil {
			t.Fatal(err)
		}
		told := make(chan bool, 100)
		g := NewGuard(config, testkit.Patience, func(up bool, _ error) { told <- up })
		if up := <-told; up != tt.up {
			t.Errorf("%s: up = %v; want %v", tt.options, up, tt.up)
		}
		g.Close()
	}
	if _, err := Parse("redis://" + addr + "?server_name=x"); err == nil {
		t.Error("an option of TLS without TLS is no error")
	}
}

const serviceName = "redis.example"

// A server without TLS does not answer to it: the error says what was tried.
func TestTLSToAPlainPortIsSaid(t *testing.T) {
	server := redistest.Start(t)
	config, err := Parse("rediss://" + server.Addr + "?skip_verify=true")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err = Connect(ctx, config, func(err error) {
		if want := "TLS to " + server.Addr + ": "; !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error = %q; want it to begin with %q", err, want)
		}
		cancel()
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Connect = %v; want %v", err, context.Canceled)
	}
}

// selfSigned writes a certificate that nobody trusts, and its key.
func selfSigned(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{serviceName},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	cert, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, data []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", cert), write("key.pem", "PRIVATE KEY", der)
}
