package process

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
)

// Terminal reports whether a person reads what is written to w.
func Terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// A Welcome is what somebody wants to know who has just started the program.
type Welcome struct {
	Version       string
	Public, Admin net.Addr // Admin is nil if there is none
	TLS, AdminTLS bool
	ConsoleOff    bool
	Open          string // what it is to everybody
	Limits        string
}

// String is a few lines.
func (w Welcome) String() string {
	public := site(w.Public, w.TLS)
	var b strings.Builder
	fmt.Fprintf(&b, "\nEvent Dispatcher %s\n\n", w.Version)
	if operators := public; !w.ConsoleOff {
		if w.Admin != nil {
			operators = site(w.Admin, w.AdminTLS)
		}
		fmt.Fprintf(&b, "  look     %s/\n", operators)
	}
	fmt.Fprintf(&b, "  post     curl %s/api/events -d '{\"hello\":\"world\"}'\n", public)
	fmt.Fprintf(&b, "  listen   curl -N %s/events\n", public)
	fmt.Fprintf(&b, "  access   %s\n", w.Open)
	fmt.Fprintf(&b, "  limits   %s\n\n", w.Limits)
	return b.String()
}

// site is the address of a listener for somebody on the same machine.
func site(addr net.Addr, tls bool) string {
	scheme := "http://"
	if tls {
		scheme = "https://"
	}
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return scheme + addr.String()
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return scheme + net.JoinHostPort(host, port)
}
