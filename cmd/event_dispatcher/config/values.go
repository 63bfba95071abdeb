package config

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"event-dispatcher/transport/access"
)

// each reads a comma-separated list, item by item. Empty items are passed over.
func each[T any](to *[]T, parse func(item string) (T, error)) func(text string) error {
	return func(text string) error {
		for item := range strings.SplitSeq(text, ",") {
			if item = strings.TrimSpace(item); item == "" {
				continue
			}
			v, err := parse(item)
			if err != nil {
				return err
			}
			*to = append(*to, v)
		}
		return nil
	}
}

// parsed keeps what parse makes of a text.
func parsed[T any](to *T, parse func(text string) (T, error)) func(text string) error {
	return func(text string) (err error) {
		*to, err = parse(text)
		return err
	}
}

// oneOf takes one of a few texts.
func oneOf(take func(text string), texts ...string) func(text string) error {
	last := len(texts) - 1
	return func(text string) error {
		if !slices.Contains(texts, text) {
			return fmt.Errorf("must be %s or %s", strings.Join(texts[:last], ", "), texts[last])
		}
		take(text)
		return nil
	}
}

// server reads the address of one that there need not be. Errors do not repeat it: it
// may hold a password.
func server[T any](to **T, parse func(address string) (T, error)) func(address string) error {
	return func(address string) error {
		if address == "" {
			return nil
		}
		if err := unmasked(address); err != nil {
			return err
		}
		found, err := parse(address)
		if err != nil {
			return err
		}
		*to = &found
		return nil
	}
}

// address turns 3569, :3569 or host:3569 into what net.Listen takes.
func address(s string) (string, error) {
	if !strings.Contains(s, ":") {
		s = ":" + s
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return "", fmt.Errorf("%q is not an address such as :3569", s)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf("%q is not a port from 0 to 65535", port)
	}
	return net.JoinHostPort(host, port), nil
}

// overlap reports whether two listeners would want the same address; port 0 is
// another one each time.
func overlap(a, b string) bool {
	hostA, portA, _ := net.SplitHostPort(a)
	hostB, portB, _ := net.SplitHostPort(b)
	if portA != portB || portA == "0" {
		return false
	}
	return hostA == hostB || covers(hostA, hostB) || covers(hostB, hostA)
}

// covers reports whether a listener on a host also takes what is for another one.
func covers(host, other string) bool {
	ip, err := netip.ParseAddr(host)
	switch {
	case host == "" || err == nil && ip == netip.IPv6Unspecified():
		return true
	case err != nil || !ip.IsUnspecified():
		return false
	}
	to, err := netip.ParseAddr(other)
	return err == nil && to.Is4()
}

// reachable is the address at which a listener on addr answers from this host.
func reachable(addr string) string {
	host, port, _ := net.SplitHostPort(addr)
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

func originOrAll(s string) (string, error) {
	if s == "*" {
		return s, nil
	}
	return access.Origin(s)
}

// network reads a network, or an address as a network of one.
func network(s string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(s)
	if addr, e := netip.ParseAddr(s); e == nil {
		prefix, err = addr.Prefix(addr.BitLen())
	}
	if err != nil {
		return prefix, fmt.Errorf("%q is not a network such as 10.0.0.0/8", s)
	}
	return prefix, nil
}
