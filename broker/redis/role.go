package redis

import (
	"context"
	"errors"
	"strings"

	"github.com/redis/rueidis"
)

// ErrReplica says that the Redis at the other end is a replica. It takes no writes, and
// what is published there is heard there only. A connection that an address led to a
// master can outlive a failover by which that became a replica.
var ErrReplica = errors.New("redis: connected to a replica, not to a master")

// Master returns ErrReplica if client's connection ends at a replica, or an error if
// that cannot be found out for want of a connection. A cluster's client finds the masters
// by itself. HELLO needs no permission; where it is unknown, before Redis 6, ROLE
// is asked, and if that may not be, the answer is nil.
func Master(ctx context.Context, client rueidis.Client) error {
	if client.Mode() == rueidis.ClientModeCluster {
		return nil
	}
	role, err := "", error(nil)
	hello, err := client.Do(ctx, client.B().Arbitrary("HELLO").Build()).AsMap()
	if err == nil {
		text := hello["role"]
		role, _ = text.ToString()
	} else if _, answered := rueidis.IsRedisErr(err); answered {
		list, err := client.Do(ctx, client.B().Role().Build()).ToArray()
		if _, answered := rueidis.IsRedisErr(err); err != nil && !answered {
			return err
		}
		if len(list) > 0 {
			role, _ = list[0].ToString()
		}
	} else {
		return err
	}
	if strings.EqualFold(role, "replica") || strings.EqualFold(role, "slave") {
		return ErrReplica
	}
	return nil
}
