package view

import (
	"slices"

	"event-dispatcher/broker"
)

// Narrow returns what v asks for as far as grants go: a view that the consumer
// cannot leave. An event passes if all views pass it, and of it only members that are in all
// are written. How it is framed and how often is the consumer's choice; a grant's
// Format and Pace do not count. The result may be equal to other views and not the same.
//
// If a grant has members, v may ask about those only: otherwise a consumer
// could find out by where, by a sample, or by what conflation leaves, what it may not see.
// Nor may v tell in which of the shards of the grants an event is, unless the grant has the member
// key, which picks the shard: that is a hash of it, or says by which connection the event came.
// Grants may ask about what each other hides.
//
// The error is a [ParamError], about the parameter that goes too far.
func Narrow(v View, key string, grants ...View) (View, error) {
	shards := ^broker.ShardSet(0)
	for _, grant := range grants {
		shards &= grant.Shards
	}
	for _, grant := range grants {
		if grant.Shape == nil {
			continue
		}
		switch param := v.outside(grant.Shape.paths); param {
		case "":
		case "sample":
			return View{}, &ParamError{Param: param, Reason: "needs by, with a member that the grant includes"}
		default:
			return View{}, &ParamError{Param: param, Reason: "about a member that the grant does not include"}
		}
		if param := v.tellsShard(shards); param != "" && !grant.Shape.has(key) {
			return View{}, &ParamError{Param: param, Reason: "tells the shard of an event, and by that something of what the grant does not include"}
		}
	}
	for _, grant := range grants {
		var err error
		if v, err = v.within(grant); err != nil {
			return View{}, err
		}
	}
	return v, nil
}

// within returns what is in both views.
func (v View) within(grant View) (View, error) {
	if v.Shards &= grant.Shards; v.Shards == broker.ShardSet(0) {
		return View{}, &ParamError{Param: "shards", Reason: "none of them is granted"}
	}
	var err error
	if v.Select, err = both(v.Select, grant.Select); err != nil {
		return View{}, err
	}
	if v.Shape == nil {
		v.Shape = grant.Shape
	} else if grant.Shape != nil {
		v.Shape = newShape(common(v.Shape.paths, grant.Shape.paths)).build()
		if len(v.Shape.paths) == 0 {
			return View{}, &ParamError{Param: "members", Reason: "none of them is granted"}
		}
	}
	return v, nil
}

// outside returns the parameter that asks about a member in none of the paths.
func (v View) outside(granted [][]string) string {
	within := func(path []string) bool { return oneCovers(granted, path) }
	if s := v.Select; s != nil {
		for i := range s.conditions {
			if !within(s.conditions[i].path) {
				return "where"
			}
		}
		switch {
		case s.sample.share == 0:
		case s.sample.by == nil: // the hash is of all of an event: a few shares of it tell a member that is hidden
			return "sample"
		case !within(s.sample.by):
			return "by"
		}
	}
	if p := v.Pace.Latest; p != nil && !within(p.names) {
		return "latest"
	}
	return ""
}

// tellsShard returns the parameter by which v tells in which of the shards an event is.
func (v View) tellsShard(shards broker.ShardSet) string {
	switch {
	case shards.Len() == 1:
		return ""
	case v.Shards&shards != shards:
		return "shards"
	case v.Format.IDs:
		return "ids"
	}
	return ""
}

// has reports whether the member, which is no other's, is among those of the shape.
func (s *Shape) has(member string) bool {
	return member != "" && oneCovers(s.paths, []string{member})
}

// oneCovers reports whether path is one of the outer ones or within it.
func oneCovers(outer [][]string, path []string) bool {
	return slices.ContainsFunc(outer, func(o []string) bool { return covers(o, path) })
}

// covers reports whether path is outer or leads to a member within it.
func covers(outer, path []string) bool {
	return len(path) >= len(outer) && slices.Equal(path[:len(outer)], outer)
}

func both(a, b *Select) (*Select, error) {
	switch {
	case a == nil:
		return b, nil
	case b == nil:
		return a, nil
	}
	s := a.sample
	switch {
	case s.share == 0:
		s = b.sample
	case b.sample.share == 0:
	case !slices.Equal(s.by, b.sample.by):
		return nil, &ParamError{Param: "sample", Reason: "what is granted is sampled by another member"}
	case b.sample.share < s.share:
		s = b.sample // the smaller share is a part of the larger one
	}
	return newSelect(slices.Concat(a.conditions, b.conditions), s).build(), nil
}

// common returns the paths that are in both: of two, one of which is within the
// other, the inner one.
func common(a, b [][]string) (paths [][]string) {
	for _, p := range a {
		for _, q := range b {
			switch {
			case covers(q, p):
				paths = append(paths, p)
			case covers(p, q):
				paths = append(paths, q)
			}
		}
	}
	return paths
}
