package view

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"event-dispatcher/transport/wire"
)

func (d *draft) readShards(value string) (err error) {
	d.view.Shards, err = d.shards.ParseShards(value)
	return err
}

func (d *draft) readWhere(value string) error {
	c, err := parseCondition(value)
	if err != nil {
		return err
	}
	if len(d.conditions) == d.options.MaxConditions {
		return tooMuch{d.options.MaxConditions, "of them"}
	}
	if len(c.values) > d.options.MaxValues {
		return tooMuch{d.options.MaxValues, "values"}
	}
	d.conditions = append(d.conditions, c)
	return d.path(c.path)
}

// tooMuch is more of something than a view can have.
type tooMuch struct {
	most int
	what string
}

func (e tooMuch) Error() string { return fmt.Sprintf("more than %d %s", e.most, e.what) }

// path holds a path to the bounds.
func (d *draft) path(names []string) error {
	if len(names) > d.options.MaxDepth {
		return tooMuch{d.options.MaxDepth, "names in a path"}
	}
	if d.names += len(names); d.names > maxNames {
		return tooMuch{maxNames, "names in all paths together"}
	}
	return nil
}

func (d *draft) readSample(value string) error {
	share, err := strconv.ParseFloat(value, 64)
	if err != nil || !(share > 0 && share <= 1) { // NaN is neither
		return errors.New("want a share above 0 and at most 1, such as 0.02")
	}
	d.share = share
	return nil
}

func (d *draft) readBy(value string) (err error) {
	d.by, err = d.onePath(value)
	return err
}

func (d *draft) onePath(value string) ([]string, error) {
	names, _, err := cutPath(value, "")
	if err != nil {
		return nil, err
	}
	return names, d.path(names)
}

func (d *draft) readMembers(value string) error {
	for {
		names, rest, err := cutPath(value, ",")
		if err != nil {
			return err
		}
		if len(d.members) == d.options.MaxMembers {
			return tooMuch{d.options.MaxMembers, "of them"}
		}
		if err := d.path(names); err != nil {
			return err
		}
		d.members = append(d.members, names)
		if rest == "" {
			return nil
		}
		value = rest[1:]
	}
}

var wires = map[string]wire.Kind{"sse": wire.SSE, "ndjson": wire.NDJSON, "ws": wire.WebSocket}

func (d *draft) readWire(value string) (err error) {
	d.view.Format.Kind, err = choice(value, wires, "want sse, ndjson or ws")
	return err
}

func (d *draft) readEncoding(value string) (err error) {
	d.encoding = true
	d.view.Format.Encoding, err = choice(value, map[string]wire.Encoding{"identity": wire.Identity, "gzip": wire.Gzip}, "want identity or gzip")
	return err
}

func (d *draft) readNotices(value string) (err error) {
	d.view.Format.Notices, err = choice(value, map[string]bool{"event": true}, "must be event")
	return err
}

func (d *draft) readIDs(value string) error {
	ids, err := choice(value, map[string]bool{"0": false, "1": true}, "want 1 or 0")
	d.view.Format.IDs = d.view.Format.IDs || ids
	return err
}

func choice[T any](value string, of map[string]T, want string) (T, error) {
	chosen, ok := of[value]
	if !ok {
		return chosen, errors.New(want)
	}
	return chosen, nil
}

// delays are what MaxDelay can be. They are few, so that consumers that want
// about the same are served together, and never more than what was asked for.
var delays = []time.Duration{
	0, 5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second,
}

func (d *draft) readMaxDelay(value string) error {
	delay, err := time.ParseDuration(value)
	if err != nil || delay < 0 || delay > delays[len(delays)-1] {
		return errors.New("want a duration from 0s to 10s, such as 200ms")
	}
	for _, step := range delays {
		if step <= delay {
			d.view.Pace.MaxDelay = step
		}
	}
	return nil
}

func (d *draft) readEvery(value string) error {
	every, err := time.ParseDuration(value)
	if err != nil || every < 10*time.Millisecond || every > time.Hour {
		return errors.New("want a duration from 10ms to 1h, such as 1s")
	}
	d.view.Pace.Every = every.Truncate(time.Millisecond)
	return nil
}

func (d *draft) readLatest(value string) error {
	names, err := d.onePath(value)
	if err == nil {
		d.view.Pace.Latest = newPath(names)
	}
	return err
}
