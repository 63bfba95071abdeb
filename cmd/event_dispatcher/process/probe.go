package process

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"time"
)

// Probe asks a running instance whether it is ready.
func Probe(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	// No proxy, whatever the environment says: the instance is next door.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: unverified}}
	resp, err := client.Do(req)
	if err == nil {
		defer resp.Body.Close()
	}
	if (err != nil || resp.StatusCode == http.StatusBadRequest) && req.URL.Scheme == "http" && speaksTLS(ctx, req.URL.Host) {
		return fmt.Errorf("%s: the instance seems to speak TLS: give -healthcheck its -tls-cert, or -admin-tls-cert with -admin-addr", url)
	}
	if err != nil {
		return err
	}
	if resp.StatusCode == http.StatusNotFound {
		return fmt.Errorf("%s answers %s: an instance with -admin-addr is ready there: give -healthcheck the same", url, resp.Status)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, resp.Status)
	}
	return nil
}

// unverified is for an instance that is asked by an address that its certificate is not for.
var unverified = &tls.Config{InsecureSkipVerify: true}

func speaksTLS(ctx context.Context, addr string) bool {
	dialer := tls.Dialer{Config: unverified}
	nc, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	_ = nc.Close() // nothing was asked
	return true
}
