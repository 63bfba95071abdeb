package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"event-dispatcher/bench/load/crowd"
)

// Rate is events per second over all players: a number, or "max".
type Rate struct {
	PerSecond float64
	Max       bool
}

// String implements flag.Value.
func (r *Rate) String() string {
	if r.Max {
		return "max"
	}
	return strconv.FormatFloat(r.PerSecond, 'f', -1, 64)
}

// Set implements flag.Value.
func (r *Rate) Set(s string) error {
	if s == "max" {
		*r = Rate{Max: true}
		return nil
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !(v >= 0 && v <= 10e6) {
		return errors.New(`want "max" or events per second, 0 to 10,000,000`)
	}
	*r = Rate{PerSecond: v}
	return nil
}

// MarshalText makes the rate a string in JSON.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads it back.
func (r *Rate) UnmarshalText(b []byte) error { return r.Set(string(b)) }

// Specs are kinds of consumers in a crowd.
type Specs []*crowd.Spec

// String implements flag.Value.
func (s *Specs) String() string { return "" }

// Set implements flag.Value.
func (s *Specs) Set(text string) error {
	spec, err := crowd.Parse(text)
	*s = append(*s, spec)
	return err
}

// Total is how many consumers they are.
func (s Specs) Total() (n int) {
	for _, spec := range s {
		n += spec.Consumers
	}
	return n
}

// MarshalJSON writes the specs as they were given.
func (s Specs) MarshalJSON() ([]byte, error) {
	texts := []string{}
	for _, spec := range s {
		texts = append(texts, spec.Text)
	}
	return json.Marshal(texts)
}

// UnmarshalJSON reads them back.
func (s *Specs) UnmarshalJSON(b []byte) error {
	var texts []string
	if err := json.Unmarshal(b, &texts); err != nil {
		return err
	}
	for _, text := range texts {
		if err := s.Set(text); err != nil {
			return err
		}
	}
	return nil
}

// PIDs are processes.
type PIDs []int

// String implements flag.Value.
func (p *PIDs) String() string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(*p), " ", ","), "[]")
}

// Set implements flag.Value.
func (p *PIDs) Set(s string) error {
	*p = nil
	for word := range strings.SplitSeq(s, ",") {
		pid, err := strconv.Atoi(word)
		if err != nil || pid < 1 {
			return errors.New("want numbers of processes, comma-separated")
		}
		*p = append(*p, pid)
	}
	return nil
}
