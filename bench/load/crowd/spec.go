package crowd

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"event-dispatcher/bench/load/event"
)

// Spec is some consumers that ask for the same, as N:WIRE[+HABIT]:QUERY.
type Spec struct {
	Text      string
	Consumers int
	Wire      string // sse, ndjson, ws
	Stalls    bool   // reads nothing for a while
	Resumes   bool   // leaves at random, and comes back with the last id
	Query     string // {n} stands for the number of the consumer's session

	conditions []condition
	sample     float64
	by         bool
	every      time.Duration
	members    bool
}

type condition struct {
	path, op string
	values   []string
}

// Parse reads a spec.
func Parse(text string) (*Spec, error) {
	s := &Spec{Text: text}
	parts := strings.SplitN(text, ":", 3)
	n, err := strconv.Atoi(parts[0])
	if err != nil || n < 1 || n > 5000 || len(parts) < 2 {
		return nil, fmt.Errorf("%q: want N:WIRE[+stall|+resume]:QUERY, N from 1 to 5000", text)
	}
	s.Consumers = n
	wire, habit, _ := strings.Cut(parts[1], "+")
	s.Wire = wire
	switch habit {
	case "":
	case "stall":
		s.Stalls = true
	case "resume":
		s.Resumes = true
	default:
		return nil, fmt.Errorf("%q: unknown habit %q", text, habit)
	}
	if wire != "sse" && wire != "ndjson" && wire != "ws" {
		return nil, fmt.Errorf("%q: unknown wire %q", text, wire)
	}
	if len(parts) == 3 {
		s.Query = parts[2]
	}
	if s.Resumes && !strings.Contains(s.Query, "ids=1") {
		return nil, fmt.Errorf("%q: who resumes needs ids=1", text)
	}
	return s, s.query()
}

// query reads what the generator evaluates itself, and refuses what it cannot.
func (s *Spec) query() error {
	values, err := url.ParseQuery(s.Query)
	if err != nil {
		return fmt.Errorf("%q: %w", s.Text, err)
	}
	for name, given := range values {
		for _, v := range given {
			switch name {
			case "where":
				c, err := parseCondition(v)
				if err != nil {
					return fmt.Errorf("%q: %w", s.Text, err)
				}
				s.conditions = append(s.conditions, c)
			case "sample":
				s.sample, err = strconv.ParseFloat(v, 64)
			case "by", "latest":
				s.by = s.by || name == "by"
				if v != "session_id" {
					return fmt.Errorf("%q: only by session_id can the generator tell", s.Text)
				}
			case "every":
				s.every, err = time.ParseDuration(v)
			case "members":
				s.members = true
				if !strings.Contains(v, "data.position") {
					return fmt.Errorf("%q: members without data.position cannot be told apart", s.Text)
				}
			case "encoding", "max_delay", "ids", "notices":
			default:
				return fmt.Errorf("%q: the generator does not know %s", s.Text, name)
			}
			if err != nil {
				return fmt.Errorf("%q: %w", s.Text, err)
			}
		}
	}
	if s.sample > 0 && !s.by {
		return fmt.Errorf("%q: a sample of events cannot be predicted; add by=session_id", s.Text)
	}
	return nil
}

func parseCondition(v string) (condition, error) {
	for _, op := range []string{"!=", "<=", ">=", "^=", "=", "<", ">"} {
		path, value, ok := strings.Cut(v, op)
		if !ok || strings.ContainsAny(path, "=<>!^") {
			continue
		}
		switch path {
		case "event_name", "session_id", "data.platform":
			if strings.ContainsAny(op, "<>") {
				return condition{}, fmt.Errorf("where %s: only =, != and ^= are evaluated on it", path)
			}
		case "data.position":
		default:
			return condition{}, fmt.Errorf("where %s: no such member of the generator's events", path)
		}
		return condition{path, op, strings.Split(value, ",")}, nil
	}
	return condition{}, fmt.Errorf("where %q: no operator", v)
}

// passes evaluates the conditions on what an event says; session is what {n}
// stands for.
func (s *Spec) passes(f event.Facts, session string) bool {
	for _, c := range s.conditions {
		text := map[string]string{"event_name": f.Name, "session_id": f.Session, "data.platform": f.Platform, "data.position": strconv.FormatUint(f.Position, 10)}[c.path]
		if !c.holds(text, session) {
			return false
		}
	}
	return true
}

func (c *condition) holds(text, session string) bool {
	any := false
	for _, v := range c.values {
		v = strings.ReplaceAll(v, "{n}", session)
		switch c.op {
		case "=", "!=":
			any = any || text == v
		case "^=":
			any = any || strings.HasPrefix(text, v)
		default:
			a, _ := strconv.ParseUint(text, 10, 64)
			b, _ := strconv.ParseUint(v, 10, 64)
			any = any || c.op == "<" && a < b || c.op == "<=" && a <= b || c.op == ">" && a > b || c.op == ">=" && a >= b
		}
	}
	return any != (c.op == "!=")
}
