package view

import "testing"

func TestKeysAreEqualIfMembersAre(t *testing.T) {
	p := newPath([]string{"a", "b"})
	same := [][]string{
		{`"x"`, `"\u0078"`}, {`1`, `1.0`, `10e-1`}, {`"1"`, `"\u0031"`}, {`0`, `-0`, `0e9`}, {`null`}, {`"null"`}, {`true`}, {`[1]`}, {`""`}, {`"[1]"`}, {`-1`}, {`0.1`}, {`"1e1"`},
	}
	keys := map[string]int{}
	for i, values := range same {
		for _, v := range values {
			key, ok := p.AppendKey(nil, []byte(`{"a":{"b":`+v+`}}`))
			if !ok {
				t.Errorf("%s has no key", v)
			}
			if j, there := keys[string(key)]; there && j != i {
				t.Errorf("%s has the key %q of %v", v, key, same[j])
			}
			keys[string(key)] = i
		}
	}
	if len(keys) != len(same) {
		t.Errorf("%d keys for %d different members", len(keys), len(same))
	}
	if key, ok := p.AppendKey([]byte("x"), []byte(`{"a":[]}`)); ok || string(key) != "x" {
		t.Errorf("without the member: %q, %v", key, ok)
	}
}
