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
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		// It is asked by an address that its certificate is not for.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, resp.Status)
	}
	return nil
}
