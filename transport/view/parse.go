package view

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"event-dispatcher/broker"
	"event-dispatcher/transport/nearest"
	"event-dispatcher/transport/wire"
)

// Shards knows which shards there are; [broker.Broker] does.
type Shards interface {
	ParseShards(list string) (broker.ShardSet, error)
}

// Parse is [Registry.Check] and [Registry.Intern] for a consumer whose headers chose
// nothing. The error is a [ParamError] or [ErrTooMany].
func (r *Registry) Parse(b Shards, args iter.Seq2[[]byte, []byte]) (v View, unknown []string, err error) {
	v, unknown, err = r.Check(wire.Format{}, b, args)
	if err == nil {
		v, err = r.Intern(v)
	}
	return v, unknown, err
}

// Check makes the view that a query asks for, of a consumer whose headers chose a
// format already: a parameter that is there wins over it. args yields the parameters
// in their order, percent-decoded once; they are borrowed until Check returns. The view
// may be equal to others and not the same, and does not count as in use.
//
// unknown are the names of parameters that mean nothing here, for the opening
// comment: letters, digits and _ only, few and short. Parameters that others read
// (token, replay, name, lastEventId) are known; lastEventId also asks for ids.
//
// The error is a [ParamError].
func (r *Registry) Check(format wire.Format, b Shards, args iter.Seq2[[]byte, []byte]) (v View, unknown []string, err error) {
	d := draft{options: &r.options, shards: b}
	d.view.Format = format
	length := 0
	for key, value := range args {
		if string(key) == "token" {
			continue
		}
		if length += len(key) + len(value); length > r.options.MaxQuery {
			return View{}, nil, &ParamError{Param: "query", Reason: fmt.Sprintf("longer than %d bytes", r.options.MaxQuery), TooMuch: true}
		}
		if err := d.parameter(string(key), string(value)); err != nil {
			return View{}, nil, err
		}
	}
	if err := d.finish(); err != nil {
		return View{}, nil, err
	}
	return d.view, d.unknown, nil
}

// A draft is a view of which some parameters were read.
type draft struct {
	options *Options
	shards  Shards
	view    View
	unknown []string

	given      []string // parameters that can be given once, and were
	conditions []condition
	members    [][]string
	share      float64
	by         []string
	names      int // in all paths
	encoding   bool
}

// parameters are those that a view is made of, and how each is read.
var parameters = map[string]func(*draft, string) error{
	"shards":    (*draft).readShards,
	"where":     (*draft).readWhere,
	"sample":    (*draft).readSample,
	"by":        (*draft).readBy,
	"members":   (*draft).readMembers,
	"wire":      (*draft).readWire,
	"encoding":  (*draft).readEncoding,
	"notices":   (*draft).readNotices,
	"ids":       (*draft).readIDs,
	"max_delay": (*draft).readMaxDelay,
	"every":     (*draft).readEvery,
	"latest":    (*draft).readLatest,
}

func (d *draft) parameter(name, value string) error {
	read, ok := parameters[name]
	if !ok {
		d.other(name, value)
		return nil
	}
	fail := func(reason string) error { return &ParamError{Param: name, Reason: reason} }
	if name != "where" {
		if slices.Contains(d.given, name) {
			return fail("given more than once")
		}
		d.given = append(d.given, name)
	}
	if !utf8.ValidString(value) {
		return fail(errUTF8.Error())
	}
	if err := read(d, value); err != nil {
		_, much := err.(tooMuch)
		return &ParamError{Param: name, Reason: strings.TrimPrefix(err.Error(), name+": "), TooMuch: much}
	}
	return nil
}

// Meant is the parameter of a stream that a name which is none probably stands for;
// empty if there is none like it.
func Meant(unknown string) string {
	return nearest.Name(unknown, append(slices.Sorted(maps.Keys(parameters)), "lastEventId", "name", "token"))
}

// other takes a parameter that the view is not made of.
func (d *draft) other(name, value string) {
	switch name {
	case "replay", "name":
		return
	case "lastEventId":
		// Who resumes wants to be able to do it again.
		d.view.Format.IDs = d.view.Format.IDs || value != ""
		return
	}
	const most, longest = 8, 32
	if len(d.unknown) == most {
		return
	}
	clean := make([]byte, 0, longest)
	for _, c := range []byte(name) {
		if len(clean) < longest && (c == '_' || c-'0' <= 9 || (c|0x20)-'a' < 26) {
			clean = append(clean, c)
		}
	}
	if len(clean) == 0 {
		clean = append(clean, '_')
	}
	if !slices.Contains(d.unknown, string(clean)) {
		d.unknown = append(d.unknown, string(clean))
	}
}

// finish checks what can be seen only when all parameters were read.
func (d *draft) finish() (err error) {
	v := &d.view
	switch {
	case d.by != nil && d.share == 0:
		return &ParamError{Param: "by", Reason: "needs sample, the share to take, such as sample=0.02"}
	case v.Pace.Latest != nil && v.Pace.Every == 0:
		return &ParamError{Param: "latest", Reason: "needs every, the interval, such as every=1s"}
	case v.Pace.Every != 0 && v.Pace.Latest == nil:
		return &ParamError{Param: "every", Reason: "needs latest, a member: the last event of each of its values passes, such as latest=session_id"}
	}
	if v.Format.Kind == wire.WebSocket && v.Format.Encoding != wire.Identity && d.encoding {
		return &ParamError{Param: "encoding", Reason: "a WebSocket is not compressed; leave it out, or ask for another wire"}
	}
	if !d.encoding && (v.Format.Kind == wire.WebSocket || v.Pace.Every > 0) {
		v.Format.Encoding = wire.Identity // whatever a header offered
	}
	if v.Format.Kind == wire.NDJSON {
		v.Format.Notices = false // they are lines there, whatever is asked for
	}
	if v.Shards == 0 {
		if v.Shards, err = d.shards.ParseShards(""); err != nil {
			return &ParamError{Param: "shards", Reason: err.Error()}
		}
	}
	if d.share == 1 && d.by == nil {
		d.share = 0 // everything
	}
	if len(d.conditions) > 0 || d.share > 0 {
		s := sample{}
		if d.share > 0 {
			s = newSample(d.share, d.by)
		}
		v.Select = newSelect(d.conditions, s).build()
	}
	if d.members != nil {
		v.Shape = newShape(d.members).build()
	}
	return nil
}
