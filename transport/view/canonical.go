package view

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"time"

	"event-dispatcher/transport/wire"
)

// shown is a view for people: what they would ask for to get it.
type shown struct {
	Shards   []int    `json:"shards"`
	Where    []string `json:"where,omitempty"`
	Sample   float64  `json:"sample,omitempty"`
	By       string   `json:"by,omitempty"`
	Members  []string `json:"members,omitempty"`
	Wire     string   `json:"wire"`
	Encoding string   `json:"encoding"`
	Notices  string   `json:"notices,omitempty"`
	IDs      bool     `json:"ids,omitempty"`
	MaxDelay string   `json:"max_delay,omitempty"`
	Every    string   `json:"every,omitempty"`
	Latest   string   `json:"latest,omitempty"`
	Query    string   `json:"query"`
}

// MarshalJSON is the normalised view: the parameters that mean something, and
// as query a query for the same view. Called directly it leaves & and < readable;
// json.Marshal escapes them.
func (v View) MarshalJSON() ([]byte, error) {
	s := shown{
		Wire: wireName(v.Format.Kind), Encoding: v.Format.Encoding.String(), IDs: v.Format.IDs,
		MaxDelay: duration(v.Pace.MaxDelay), Every: duration(v.Pace.Every),
		Query: v.Canonical(),
	}
	for shard := range v.Shards.All() {
		s.Shards = append(s.Shards, shard)
	}
	if v.Select != nil {
		for i := range v.Select.conditions {
			s.Where = append(s.Where, v.Select.conditions[i].text)
		}
		s.Sample = v.Select.sample.share
		s.By = pathText(v.Select.sample.by)
	}
	if v.Shape != nil {
		for _, path := range v.Shape.paths {
			s.Members = append(s.Members, pathText(path))
		}
	}
	if v.Format.Notices {
		s.Notices = "event"
	}
	if v.Pace.Latest != nil {
		s.Latest = v.Pace.Latest.text
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // queries are full of &
	err := e.Encode(s)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// Canonical is the query for the view, percent-encoded, its parameters in a fixed
// order. Views that were asked for by queries are equal if and only if these are.
// Parameters that only say what is so anyway are left out, except for the shards.
func (v View) Canonical() string {
	var b strings.Builder
	add := func(name, value string) {
		if b.Len() > 0 {
			b.WriteByte('&')
		}
		b.WriteString(name + "=" + url.QueryEscape(value))
	}
	var shards []byte
	for shard := range v.Shards.All() {
		if shards != nil {
			shards = append(shards, ',')
		}
		shards = strconv.AppendInt(shards, int64(shard), 10)
	}
	add("shards", string(shards))
	if v.Select != nil {
		for i := range v.Select.conditions {
			add("where", v.Select.conditions[i].text)
		}
		if s := v.Select.sample; s.share > 0 {
			add("sample", strconv.FormatFloat(s.share, 'g', -1, 64))
			if s.by != nil {
				add("by", pathText(s.by))
			}
		}
	}
	if v.Shape != nil {
		add("members", v.Shape.text)
	}
	if v.Format.Kind != wire.SSE {
		add("wire", wireName(v.Format.Kind))
	}
	if v.Format.Encoding != wire.Identity {
		add("encoding", v.Format.Encoding.String())
	}
	if v.Format.Notices {
		add("notices", "event")
	}
	if v.Format.IDs {
		add("ids", "1")
	}
	if v.Pace.MaxDelay > 0 {
		add("max_delay", duration(v.Pace.MaxDelay))
	}
	if v.Pace.Every > 0 {
		add("every", duration(v.Pace.Every))
	}
	if v.Pace.Latest != nil {
		add("latest", v.Pace.Latest.text)
	}
	return b.String()
}

func wireName(k wire.Kind) string {
	for name, kind := range wires {
		if kind == k {
			return name
		}
	}
	return k.String()
}

func duration(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}
