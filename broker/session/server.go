package session

import (
	"sync"
	"sync/atomic"
	"time"

	"event-dispatcher/broker/redis"
)

// server is what the parts of a [Redis] share: the way to the server, and the mirror
// beside it.
type server struct {
	// Fixed after NewRedis.
	options   RedisOptions
	practices Practices
	keys      keys
	mirror    mirror
	misses    misses // of the mirror
	guard     *redis.Guard

	upSince  atomic.Int64 // Unix ns; 0 while it cannot be reached
	failures [len(Reasons)]atomic.Uint64
	logs     sync.Map // of *zap.Logger, by failure
}

// upForALease reports whether the server has been here for so long that instances which
// were cut off from it, as perhaps all were, must have repeated their word.
func (s *server) upForALease() bool {
	since := s.upSince.Load()
	return since != 0 && time.Since(time.Unix(0, since)) >= s.options.Lease
}
