package redis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// A Config says where Redis is and how to log in. The zero value is no Redis.
type Config struct {
	option rueidis.ClientOption
}

// Limits of one connection. A server that is stopped is noticed by a PING
// without answer, so after at most pingInterval + writeTimeout.
const (
	dialTimeout  = 2 * time.Second
	writeTimeout = 2 * time.Second
	pingInterval = time.Second
)

// Parse reads the address of a Redis:
//
//	redis://[user:password@]host[:port][,host:port...][/database]
//	redis-sentinel://[user:password@]host[:port][,host:port...]/master[/database]
//
// and rediss, rediss-sentinel for TLS. Several hosts of the first form, or one
// that is part of a cluster, make a Redis Cluster. The options that
// rueidis.ParseURL knows may follow as a query, among them addr, db, master_set,
// dial_timeout, write_timeout, client_name and skip_verify; for Sentinel's own login
// there are sentinel_user and sentinel_password. The error does not repeat the
// address, which may hold a password.
func Parse(address string) (Config, error) {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return Config{}, errors.New("redis address: want redis://host:port/database")
	}
	sentinel := strings.HasSuffix(scheme, "-sentinel")
	scheme = strings.TrimSuffix(scheme, "-sentinel")
	if scheme != "redis" && scheme != "rediss" {
		return Config{}, errors.New("redis address: the scheme is not one of redis, rediss, redis-sentinel, rediss-sentinel")
	}

	// Several hosts are no URL: the first stays, the others become addr options.
	authority, tail := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, tail = rest[:i], rest[i:]
	}
	login, hosts := "", authority
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		login, hosts = authority[:i+1], authority[i+1:]
	}
	list := strings.Split(hosts, ",")
	u, err := url.Parse(scheme + "://" + login + list[0] + tail)
	if err != nil {
		return Config{}, fmt.Errorf("redis address: %w", withoutAddress(err))
	}
	query := u.Query()
	for _, host := range list[1:] {
		if !strings.Contains(host, ":") {
			host += ":"
		}
		query.Add("addr", host)
	}
	path := strings.Trim(u.Path, "/")
	if sentinel {
		var master string
		master, path, _ = strings.Cut(path, "/")
		if master == "" {
			return Config{}, errors.New("redis address: the sentinel form names a master: redis-sentinel://host:port/master")
		}
		query.Set("master_set", master)
		if u.Port() == "" {
			u.Host = net.JoinHostPort(u.Hostname(), "26379")
		}
	}
	u.Path = ""
	if path != "" {
		u.Path = "/" + path
	}
	u.RawQuery = query.Encode()

	o, err := rueidis.ParseURL(u.String())
	if err != nil {
		return Config{}, fmt.Errorf("redis address: %w", withoutAddress(err))
	}
	tune(&o)
	o.Sentinel.Username = query.Get("sentinel_user")
	o.Sentinel.Password = query.Get("sentinel_password")
	return Config{option: o}, nil
}

// withoutAddress takes the address out of an error of package url.
func withoutAddress(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		return errors.New("not a valid URL")
	}
	return err
}

// tune sets what the address leaves open.
func tune(o *rueidis.ClientOption) {
	if o.Dialer.Timeout == 0 {
		o.Dialer.Timeout = dialTimeout
	}
	if o.ConnWriteTimeout == 0 {
		o.ConnWriteTimeout = writeTimeout
	}
	o.Dialer.KeepAlive = pingInterval
	if o.ClientName == "" {
		o.ClientName = "event-dispatcher"
	}
	o.ClientSetInfo = rueidis.DisableClientSetInfo // needs a permission, and an older server knows no such command
	o.DisableCache = true
	o.DisableRetry = true     // whoever makes a call knows whether to repeat it
	o.PipelineMultiplex = -1  // one connection, so that commands keep their order
	o.BlockingPipeline = 4096 // longer pipelines would get a connection of their own, and lose it
	o.ClusterOption.ShardsRefreshInterval = 10 * time.Second
	if o.Sentinel.MasterSet != "" {
		o.Sentinel.TLSConfig = o.TLSConfig
		o.Sentinel.Dialer = o.Dialer
		o.Sentinel.ClientName = o.ClientName
		o.Sentinel.TopologyRefreshInterval = 5 * time.Second
	}
}

// String is the hosts, without the login; for logs.
func (c Config) String() string { return strings.Join(c.option.InitAddress, ",") }

// Connect returns a connected client. It tries until that succeeds or ctx is
// done; failed, if not nil, is told about every attempt in vain.
func Connect(ctx context.Context, c Config, failed func(error)) (rueidis.Client, error) {
	var pause Backoff
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		client, err := rueidis.NewClient(c.option)
		if err == nil {
			return client, nil
		}
		if failed != nil {
			failed(err)
		}
		pause.Wait(ctx)
	}
}

// Bounds of a pause between two attempts. The longest is well below the three
// seconds that a resumption may take.
const (
	minPause = 20 * time.Millisecond
	maxPause = time.Second
)

// A Backoff makes pauses between attempts, the longer the more there were, and
// each up to a half shorter at random, so that instances do not come in step.
type Backoff struct{ last time.Duration }

// Wait pauses, or returns when ctx is done.
func (b *Backoff) Wait(ctx context.Context) {
	b.last = min(max(2*b.last, minPause), maxPause)
	t := time.NewTimer(b.last - rand.N(b.last/2))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// Reset makes the next pause short again.
func (b *Backoff) Reset() { b.last = 0 }

// Sharded reports whether the server is a cluster that has sharded Pub/Sub
// (Redis 7). All instances ask the same cluster, so all come to the same answer;
// it is asked for until it is given, or ctx is done.
func Sharded(ctx context.Context, client rueidis.Client) bool {
	if client.Mode() != rueidis.ClientModeCluster {
		return false
	}
	var pause Backoff
	for ctx.Err() == nil {
		hello, err := client.Do(ctx, client.B().Arbitrary("HELLO").Build()).AsMap()
		if err != nil {
			pause.Wait(ctx)
			continue
		}
		version := hello["version"]
		text, _ := version.ToString()
		first, _, _ := strings.Cut(text, ".")
		major, _ := strconv.Atoi(first)
		return major >= 7
	}
	return false
}
