package relay

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	"event-dispatcher/broker/redis"

	"github.com/nats-io/nats.go"
)

// A NATS says where servers are and how to log in.
type NATS struct {
	scheme  string
	hosts   []string
	options []nats.Option
}

const natsPort = "4222"

// natsOptions are those that an address may have behind its question mark.
var natsOptions = []string{"credentials", "ca", "cert", "key", "server_name"}

// ParseNATS reads the address of a NATS:
//
//	nats://[user:password@]host[:port][,host:port...][?option=value&...]
//
// and tls for TLS. A name without a password is a token. The options are files, of
// which credentials has a user's JWT and seed, ca the certificates to trust instead
// of the system's, cert and key a client's certificate; and server_name, which
// the certificates have instead of the host that is dialled. The error repeats nothing of the
// address, any part of which may be of a password.
func ParseNATS(address string) (NATS, error) {
	n, err := parseNATS(address)
	if err != nil {
		return NATS{}, fmt.Errorf("nats address: %w", err)
	}
	return n, nil
}

func parseNATS(address string) (n NATS, err error) {
	at, ok := redis.SplitAddress(address)
	switch {
	case !ok || at.Scheme != "nats" && at.Scheme != "tls":
		return n, errors.New("want nats://host:port or tls://host:port")
	case at.SchemeAgain():
		return n, errors.New("the scheme is written once, also before several hosts: nats://a:4222,b:4222")
	}
	n.scheme = at.Scheme
	u, err := url.Parse(at.Scheme + "://" + at.Login + "host" + at.Tail)
	if err != nil || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return n, errors.New("not a valid URL (in names and passwords / ? # @ : % are percent-encoded)")
	}
	for host := range strings.SplitSeq(at.Hosts, ",") {
		if host, ok = redis.WithPort(host, natsPort); !ok {
			return n, errors.New("a host is not host or host:port, with a port from 1 to 65535")
		}
		n.hosts = append(n.hosts, host)
	}
	if user := u.User; user != nil {
		if password, ok := user.Password(); ok {
			n.options = append(n.options, nats.UserInfo(user.Username(), password))
		} else {
			n.options = append(n.options, nats.Token(user.Username()))
		}
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return n, errors.New("the options behind the question mark are not name=value&name=value")
	}
	return n, n.read(query)
}

// read takes the options. Files must be there: a name that is wrong is noticed at start.
func (n *NATS) read(query url.Values) error {
	for name := range query {
		if !slices.Contains(natsOptions, name) {
			return fmt.Errorf("an option behind the question mark is not one of %s", strings.Join(natsOptions, ", "))
		}
		if name == "server_name" {
			continue
		}
		if f, err := os.Open(query.Get(name)); err != nil {
			return fmt.Errorf("the file of the option %s cannot be read", name)
		} else {
			_ = f.Close()
		}
	}
	if file := query.Get("credentials"); file != "" {
		n.options = append(n.options, nats.UserCredentials(file))
	}
	files := redis.TLSFiles{CA: query.Get("ca"), Cert: query.Get("cert"), Key: query.Get("key"), ServerName: query.Get("server_name")}
	if n.scheme == "tls" || files != (redis.TLSFiles{}) {
		config, err := files.Config()
		if err != nil {
			return err
		}
		n.options = append(n.options, nats.Secure(config))
	}
	return nil
}

// servers is the list as the library wants it.
func (n *NATS) servers() string {
	list := make([]string, len(n.hosts))
	for i, host := range n.hosts {
		list[i] = n.scheme + "://" + host
	}
	return strings.Join(list, ",")
}

// ValidSubject reports whether a channel's name can be a subject in NATS.
func ValidSubject(name string) bool {
	if strings.ContainsAny(name, " \t\r\n\x00*>") {
		return false
	}
	return !slices.Contains(strings.Split(name, "."), "")
}
