package redis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
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

// Ports where none is given.
const (
	redisPort    = "6379"
	sentinelPort = "26379"
)

// options are those that an address may have behind its question mark: the ones of
// rueidis.ParseURL that have an effect here, and Sentinel's own login.
var options = []string{
	"addr", "db", "master_set", "dial_timeout", "write_timeout", "client_name", "skip_verify", "protocol",
	"sentinel_user", "sentinel_password", "ca", "cert", "key", "server_name",
}

// Parse reads the address of a Redis:
//
//	redis://[user:password@]host[:port][,host:port...][/database]
//	redis-sentinel://[user:password@]host[:port][,host:port...]/master[/database]
//
// and rediss, rediss-sentinel for TLS. Several hosts of the first form, or one
// that is part of a cluster, make a Redis Cluster. Options may follow as a query; for
// TLS, ca, cert, key and server_name are those of [TLSFiles].
// The error repeats nothing of the address, any part of which may be of a password
// that is not percent-encoded.
func Parse(address string) (Config, error) {
	o, err := parse(address)
	if err != nil {
		return Config{}, fmt.Errorf("redis address: %w", err)
	}
	tune(&o)
	return Config{option: o}, nil
}

func parse(address string) (o rueidis.ClientOption, err error) {
	at, ok := SplitAddress(address)
	if !ok {
		return o, errors.New("want redis://host:port/database")
	}
	scheme, sentinel := strings.CutSuffix(at.Scheme, "-sentinel")
	switch {
	case scheme != "redis" && scheme != "rediss":
		return o, errors.New("the scheme is not one of redis, rediss, redis-sentinel, rediss-sentinel")
	case at.SchemeAgain():
		return o, errors.New("the scheme is written once, also before several hosts: redis://a:6379,b:6379")
	}

	// Several hosts are no URL: the first stays, the others become addr options.
	list := strings.Split(at.Hosts, ",")
	u, err := url.Parse(scheme + "://" + at.Login + list[0] + at.Tail)
	if err != nil || u.Fragment != "" {
		return o, errors.New("not a valid URL (in names and passwords / ? # @ : % are percent-encoded)")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return o, errors.New("the options behind the question mark are not name=value&name=value")
	}
	for name := range query {
		if !slices.Contains(options, name) {
			return o, fmt.Errorf("an option behind the question mark is not one of %s", strings.Join(options, ", "))
		}
	}

	port, path := redisPort, strings.Trim(u.Path, "/")
	if sentinel {
		port = sentinelPort
		var master string
		master, path, _ = strings.Cut(path, "/")
		if master == "" {
			return o, errors.New("the sentinel form names a master: redis-sentinel://host:port/master")
		}
		query.Set("master_set", master)
	}
	if _, err := strconv.ParseUint(path, 10, 31); path != "" && err != nil {
		return o, errors.New("the database is not a number")
	}
	list = append(list, query["addr"]...)
	for i, host := range list {
		if len(list) == 1 && (host == "" || host[0] == ':') {
			host = "localhost" + host
		}
		if list[i], ok = WithPort(host, port); !ok {
			return o, errors.New("a host is not host or host:port, with a port from 1 to 65535")
		}
	}
	u.Host, u.Path = list[0], ""
	if path != "" {
		u.Path = "/" + path
	}
	query["addr"] = list[1:]
	files := TLSFiles{query.Get("ca"), query.Get("cert"), query.Get("key"), query.Get("server_name")}
	for _, name := range []string{"ca", "cert", "key", "server_name"} {
		query.Del(name)
	}
	u.RawQuery = query.Encode()

	if o, err = rueidis.ParseURL(u.String()); err != nil {
		return o, errors.New("db is a number, dial_timeout and write_timeout are durations such as 2s, skip_verify is true or false")
	}
	switch secure, err := files.Config(); {
	case err != nil:
		return o, err
	case o.TLSConfig != nil:
		// Each certificate is held against the host that is dialled, not against
		// the first one, unless they all have another name.
		secure.InsecureSkipVerify = o.TLSConfig.InsecureSkipVerify
		o.TLSConfig = secure
	case files != TLSFiles{}:
		return o, errors.New("ca, cert, key and server_name are for rediss and rediss-sentinel")
	}
	o.Sentinel.Username = query.Get("sentinel_user")
	o.Sentinel.Password = query.Get("sentinel_password")
	return o, nil
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
	o.DisableRetry = true     // the caller knows whether to repeat a call
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

// Database is the number of the database that is selected.
func (c Config) Database() int { return c.option.SelectDB }

// Connect returns a connected client. It tries until that succeeds or ctx is
// done; failed, if not nil, is told about every attempt in vain.
func Connect(ctx context.Context, c Config, failed func(error)) (rueidis.Client, error) {
	var pause Backoff
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		client, err := ConnectOnce(c)
		if err == nil {
			return client, nil
		}
		if failed != nil {
			failed(err)
		}
		pause.Wait(ctx)
	}
}

// ConnectOnce is Connect without a second attempt.
func ConnectOnce(c Config) (rueidis.Client, error) {
	client, err := rueidis.NewClient(c.option)
	if err == nil {
		return client, nil
	}
	if _, answer := rueidis.IsRedisErr(err); c.option.TLSConfig != nil && !answer {
		err = fmt.Errorf("TLS to %s: %w", c, err) // a port without TLS only says nothing
	}
	return nil, err
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
