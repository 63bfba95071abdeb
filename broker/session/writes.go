package session

import (
	"cmp"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"event-dispatcher/broker/redis"

	"github.com/redis/rueidis"
)

// writes are what goes from the mirror to the server.
type writes struct {
	*server
	evicted chan struct{} // there is something to unstore
	refuses atomic.Bool   // the server, the last write

	mu         sync.Mutex // guards what follows
	extra      []removal  // given up by the mirror, and perhaps still on the server
	extraBytes int
}

func newWrites(s *server) *writes {
	return &writes{server: s, evicted: make(chan struct{}, 1)}
}

// store writes a mirrored event to the server, and notes whether that worked.
func (s *writes) store(key entryKey) {
	if w, ok := s.writeOf(key); ok {
		s.writeAll([]write{w}, "")
	}
}

// A write is of a mirrored event.
type write struct {
	key  entryKey
	id   string
	text string
	at   int64 // Unix ms
	ttl  int64 // ms; 0 is for ever
}

// writeOf is the write of what is mirrored; if there is nothing, the server misses nothing.
func (s *writes) writeOf(key entryKey) (w write, ok bool) {
	e, put, ok := s.mirror.get(key)
	if !ok {
		s.misses.settle(key, true)
		return write{}, false
	}
	w = write{key: key, id: e.ID, text: string(e.JSON()), at: e.At}
	if ttl := s.options.TTL; ttl > 0 {
		w.ttl = max((ttl - time.Since(put)).Milliseconds(), 1)
	}
	return w, true
}

// writeAll makes writes in one call, by a script if there is one, and notes which worked.
func (s *writes) writeAll(writes []write, script string) {
	bytes := 0
	for _, w := range writes {
		bytes += len(w.text)
	}
	errs, err := redis.DoSending(s.guard, bytes, func(ctx context.Context, c rueidis.Client) ([]error, error) {
		var commands rueidis.Commands
		var of []int // the write that a command is of
		for i, w := range writes {
			commands = append(commands, s.set(c, w, script))
			if w.key.practice != s.practices.folded {
				practices := s.keys.practices(w.key.user)
				commands = append(commands, c.B().Sadd().Key(practices).Member(w.key.practice).Build())
				if w.ttl > 0 {
					commands = append(commands, c.B().Pexpire().Key(practices).Milliseconds(w.ttl).Build())
				}
			}
			for len(of) < len(commands) {
				of = append(of, i)
			}
		}
		errs := make([]error, len(writes))
		defer s.unstoreLate(writes)
		for k, reply := range c.DoMulti(ctx, commands...) {
			err := reply.Error()
			if _, answered := rueidis.IsRedisErr(err); err != nil && !answered {
				return nil, err
			}
			errs[of[k]] = cmp.Or(errs[of[k]], err)
		}
		return errs, nil
	})
	for i, w := range writes {
		failed := err
		if err == nil {
			failed = errs[i]
		}
		s.noteWrite(failed)
		if failed != nil {
			s.failed("store an event", s.keys.all(w.key.action), failed)
		}
		// What was put meanwhile is settled by its own write.
		if e, _, ok := s.mirror.get(w.key); !ok || e.ID == w.id {
			s.misses.settle(w.key, failed == nil)
		}
	}
}

// unstoreLate removes what came to the server, or may have, after it was removed there with its
// member. The client has let go of the call by then: a departure that begins later finds it, and
// one that is under way sees to it, if the mirror has it still (unstoreUnseen).
func (s *writes) unstoreLate(writes []write) {
	var late []removal
	for _, w := range writes {
		if _, _, ok := s.mirror.get(w.key); !ok {
			late = append(late, removal{key: w.key, mark: markOf([]byte(w.text)), late: true})
		}
	}
	s.keepLate(late)
}

// unstoreUnseen removes those events of a member who left that the server did not have, by marks,
// when its departure began: a write may have brought them since.
func (s *writes) unstoreUnseen(events []Event, marks []string) {
	var late []removal
	for _, e := range events {
		if mark := markOf(e.JSON()); !slices.Contains(marks, mark) {
			late = append(late, removal{key: s.practices.key(e), mark: mark, late: true})
		}
	}
	s.keepLate(late)
}

func (s *writes) keepLate(late []removal) {
	if len(late) > 0 {
		s.keepExtra(late)
		s.wake()
	}
}

// wake has maintain call unstoreExtra.
func (s *writes) wake() {
	select {
	case s.evicted <- struct{}{}:
	default:
	}
}

// set is the command of one write.
func (s *writes) set(c rueidis.Client, w write, script string) rueidis.Completed {
	name := s.keys.event(w.key.member, w.key.action)
	switch {
	case script != "":
		args := []string{w.text, strconv.FormatInt(w.at, 10)}
		if w.ttl > 0 {
			args = append(args, strconv.FormatInt(w.ttl, 10))
		}
		return c.B().Eval().Script(script).Numkeys(1).Key(name).Arg(args...).Build()
	case w.ttl > 0:
		return c.B().Set().Key(name).Value(w.text).PxMilliseconds(w.ttl).Build()
	}
	return c.B().Set().Key(name).Value(w.text).Build()
}

// waitingBytes bounds removals that wait for the server, and departures that do.
const waitingBytes = 8 << 20

// waitingSize is what one of them takes, about, with such names.
func waitingSize(names ...string) int {
	size := 200
	for _, name := range names {
		size += len(name)
	}
	return size
}

// A removal is of an event that the mirror gave up.
type removal struct {
	key     entryKey
	mark    string // tells the event from what has taken its place; see scriptMark
	present bool   // also if its user has a socket
	late    bool   // its user may be at an instance that was cut off, and has not said so yet
}

func (s *writes) removals(up []excess) []removal {
	all := make([]removal, len(up))
	for i, x := range up {
		all[i] = removal{key: s.practices.key(x.event), mark: markOf(x.event.JSON()), present: x.present}
	}
	return all
}

// markOf is what scriptMark returns for the JSON of an event.
func markOf(text []byte) string {
	mark := sha1.Sum(text)
	return hex.EncodeToString(mark[:])
}

// unstoreNow removes events from the server, or has maintain do it if there is no answer.
func (s *writes) unstoreNow(up []excess) { s.keepExtra(s.unstore(s.removals(up))) }

// unstoreLater has maintain call unstore.
func (s *writes) unstoreLater(up []excess) {
	if len(up) == 0 {
		return
	}
	s.keepExtra(s.removals(up))
	s.wake()
}

// keepExtra has unstoreExtra remove events. Beyond a bound they stay on the server until
// their time is over.
func (s *writes) keepExtra(all []removal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range all {
		size := waitingSize(r.key.practice, r.key.user)
		if len(s.extra) >= s.options.MaxEvents || s.extraBytes+size > waitingBytes {
			return
		}
		s.extra = append(s.extra, r)
		s.extraBytes += size
	}
}

// unstoreExtra removes what was kept for it.
func (s *writes) unstoreExtra() {
	s.mu.Lock()
	extra := s.extra
	s.extra, s.extraBytes = nil, 0
	s.mu.Unlock()
	var wait []removal
	if !s.upForALease() {
		extra = slices.DeleteFunc(extra, func(r removal) bool {
			if r.late {
				wait = append(wait, r)
			}
			return r.late
		})
	}
	s.keepExtra(wait)
	s.keepExtra(s.unstore(extra))
}

// unstore removes events from the server, unless somebody has replaced them. What was given
// up as that of a user without sockets stays if the user has one at any instance: that
// instance sees to it. It returns those for which there was no answer.
func (s *writes) unstore(all []removal) []removal {
	for len(all) > 0 {
		some := all[:min(len(all), batch)]
		_, err := redis.Do(s.guard, func(ctx context.Context, c rueidis.Client) (struct{}, error) {
			leases := make(rueidis.Commands, len(some))
			for i, r := range some {
				leases[i] = c.B().Exists().Key(s.keys.sockets(r.key.member)).Build()
			}
			var commands rueidis.Commands
			for i, reply := range c.DoMulti(ctx, leases...) {
				n, err := reply.AsInt64()
				if err != nil {
					return struct{}{}, err
				}
				if n > 0 && !some[i].present {
					continue
				}
				key := some[i].key
				commands = append(commands, c.B().Eval().Script(scriptRemove).Numkeys(1).Key(s.keys.event(key.member, key.action)).
					Arg(some[i].mark).Build())
				if !some[i].present && key.practice != s.practices.folded && len(s.mirror.of(key.member)) == 0 {
					commands = append(commands, c.B().Srem().Key(s.keys.practices(key.user)).Member(key.practice).Build())
				}
			}
			return struct{}{}, firstError(c.DoMulti(ctx, commands...))
		})
		if err != nil {
			s.failed("remove events", s.keys.all("*_CARD"), err)
			if _, answered := rueidis.IsRedisErr(err); !answered {
				return all
			}
		}
		all = all[len(some):]
	}
	return nil
}

// leavePractices takes practices out of the sets of those where users have something, if that
// has expired or was given up: a set stays as long as something is written there.
func (s *writes) leavePractices() {
	for all := s.mirror.emptied(); len(all) > 0; {
		some := all[:min(len(all), batch)]
		_, err := redis.Do(s.guard, func(ctx context.Context, c rueidis.Client) (struct{}, error) {
			var stored rueidis.Commands // of each member one by action
			for _, who := range some {
				for _, action := range actions {
					stored = append(stored, c.B().Exists().Key(s.keys.event(who, action)).Build())
				}
			}
			has := make([]int64, len(some))
			for i, reply := range c.DoMulti(ctx, stored...) {
				n, err := reply.AsInt64()
				if err != nil {
					return struct{}{}, err
				}
				has[i/len(actions)] += n
			}
			var commands rueidis.Commands
			for i, who := range some {
				if has[i] == 0 && len(s.mirror.of(who)) == 0 {
					commands = append(commands, c.B().Srem().Key(s.keys.practices(who.user)).Member(who.practice).Build())
				}
			}
			return struct{}{}, firstError(c.DoMulti(ctx, commands...))
		})
		if err != nil {
			s.failed("remove a user's practices", s.keys.all("PRACTICES"), err)
			if _, answered := rueidis.IsRedisErr(err); !answered {
				s.mirror.emptyAgain(all)
				return
			}
		}
		all = all[len(some):]
	}
}

// catchUp writes what the server missed, unless it has something newer.
func (s *writes) catchUp(ctx context.Context) {
	missed := s.misses.keys()
	for len(missed) > 0 && ctx.Err() == nil && s.guard.Up() {
		var writes []write
		for size := 0; len(missed) > 0 && len(writes) < batch && size < batchBytes; missed = missed[1:] {
			if w, ok := s.writeOf(missed[0]); ok {
				writes = append(writes, w)
				size += len(w.text)
			}
		}
		s.writeAll(writes, scriptSetUnlessNewer)
	}
}

// noteWrite remembers whether the server takes writes.
func (s *writes) noteWrite(err error) {
	if err == nil {
		s.refuses.Store(false)
		return
	}
	if word := Reasons[reasonOf(err)]; word == "full" || word == "readonly" {
		s.refuses.Store(true)
	}
}

// refused reports whether the server answers and did not take the last write, for want
// of memory or because it takes none at all, so that events wait for it.
func (s *writes) refused() bool {
	return s.refuses.Load() && s.misses.count() > 0
}
