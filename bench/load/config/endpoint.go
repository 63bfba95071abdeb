package config

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"event-dispatcher/bench/load/sock"
)

// endpoints takes URLs apart, which commas separate.
func endpoints(flag, text string) ([]sock.Addr, error) {
	var all []sock.Addr
	for one := range strings.SplitSeq(text, ",") {
		a, err := endpoint(flag, one)
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

// endpoint takes a URL apart. A load generator that can be pointed at other
// people's machines is a weapon, so this one cannot.
func endpoint(flag, text string) (sock.Addr, error) {
	u, err := url.Parse(text)
	if err != nil {
		return sock.Addr{}, fmt.Errorf("-%s: %w", flag, err)
	}
	if u.Scheme != "http" || u.Hostname() == "" || u.Port() == "" || (u.Path != "" && u.Path != "/") || u.RawQuery != "" {
		return sock.Addr{}, fmt.Errorf("-%s %q: want http://127.0.0.1:PORT", flag, text)
	}
	name := u.Hostname()
	if name == "localhost" {
		name = "127.0.0.1"
	}
	ip := net.ParseIP(name).To4()
	if ip == nil || ip[0] != 127 {
		return sock.Addr{}, fmt.Errorf("-%s %q: only addresses in 127.0.0.0/8 are loaded", flag, text)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil || port < 1 || port > 65535 {
		return sock.Addr{}, fmt.Errorf("-%s %q: no such port", flag, text)
	}
	return sock.Addr{IP: [4]byte(ip), Port: port}, nil
}
