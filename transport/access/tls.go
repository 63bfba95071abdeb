package access

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"event-dispatcher/transport/metric"
)

// A Certificate is a certificate with its key, read again when it was renewed.
type Certificate struct {
	// Fixed after OpenCertificate.
	certFile, keyFile string
	log               *zap.Logger

	now   atomic.Pointer[tls.Certificate]
	files reloader
}

// OpenCertificate reads the certificate chain and its key, in PEM, and watches both
// until Close.
func OpenCertificate(certFile, keyFile string, log *zap.Logger) (*Certificate, error) {
	if log == nil {
		log = zap.NewNop()
	}
	c := &Certificate{certFile: certFile, keyFile: keyFile, log: log}
	if err := c.files.read(c.load); err != nil {
		return nil, err
	}
	if expires := c.Expires(); time.Now().After(expires) {
		log.Warn("the certificate has expired, clients will refuse it: renew it", zap.String("file", certFile), zap.Time("expired", expires))
	}
	c.files.follow(c.Reload, nil)
	return c, nil
}

// load reads both files.
func (c *Certificate) load(seen *files) error {
	seen.add(c.certFile)
	seen.add(c.keyFile)
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("certificate %s with key %s: %w (the chain begins with the server's own certificate, and the key is that one's; both are PEM, the key without a password)",
			c.certFile, c.keyFile, err)
	}
	c.now.Store(&pair)
	return nil
}

// Reload reads the files again. If they do not fit together, those before stay.
// Connections that are open keep theirs.
func (c *Certificate) Reload() error {
	if c == nil {
		return nil
	}
	return c.files.read(func(seen *files) error {
		err := c.load(seen)
		if err != nil {
			c.log.Error("cannot load the certificate; keeping the previous one", zap.Error(err))
		} else {
			c.log.Info("the certificate was read", zap.Time("expires", c.Expires()))
		}
		return err
	})
}

// Close stops watching.
func (c *Certificate) Close() {
	if c != nil {
		c.files.stop()
	}
}

// Collect implements [metric.Source].
func (c *Certificate) Collect(to metric.Emitter) {
	var expires float64
	var failures uint64
	if c != nil {
		expires, failures = float64(c.Expires().Unix()), c.files.failures.Load()
	}
	to.Gauge("certificate_expiry_timestamp_seconds", "Unix time at which the certificate of the public listeners ends; 0 without TLS.", expires)
	to.Counter("certificate_reload_failures_total", "Times that a renewed certificate was not taken.", failures)
}

// Expires is when the certificate in use ends.
func (c *Certificate) Expires() time.Time { return notAfter(c.now.Load().Leaf) }

// Failures is how often a renewed certificate was not taken.
func (c *Certificate) Failures() uint64 { return c.files.failures.Load() }

func notAfter(leaf *x509.Certificate) time.Time {
	if leaf == nil {
		return time.Time{}
	}
	return leaf.NotAfter
}

// Config is that of a server that speaks HTTP/1.1; nil of a nil Certificate.
func (c *Certificate) Config() *tls.Config {
	if c == nil {
		return nil
	}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.now.Load(), nil },
	}
}
