package redis

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
)

// TLSFiles are what a client needs beyond the system's certificates; all may be empty.
type TLSFiles struct {
	CA         string // certificates to trust instead of the system's
	Cert, Key  string // the client's own certificate
	ServerName string // what certificates name instead of the host that is dialled
}

// Config reads the files. Its errors name the options of an address, not the files.
func (f TLSFiles) Config() (*tls.Config, error) {
	if (f.Cert == "") != (f.Key == "") {
		return nil, errors.New("cert and key go together")
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: f.ServerName}
	if f.CA != "" {
		text, err := os.ReadFile(f.CA)
		if err != nil {
			return nil, errors.New("the file of the option ca cannot be read")
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, errors.New("the file of the option ca has no certificate in PEM")
		}
	}
	if f.Cert != "" {
		pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
		if err != nil {
			return nil, errors.New("the files of the options cert and key are not a certificate and its key in PEM")
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
