package jsonkey

import "event-dispatcher/broker/shrink"

// A Tree is a set of paths to members. Many goroutines may look for them at once,
// each with a Found of its own, while nobody changes the tree. The zero Tree is empty.
type Tree struct {
	root    node
	parents []int32 // by id: the id of the member around it, noParent at the top
	free    []int32 // ids that were used and are not
}

const noParent = -1

// A node is a member that a path names, or leads through. All but the root have
// an id.
type node struct {
	id   int32
	refs int // paths that end here, or lead through

	lengths  uint64 // bit n is set if a child's name is n bytes long, modulo 64; others may be
	children map[string]*node
	most     int // children that there have been; see shrink
}

// Add puts a path into the tree and returns the id of the member it leads to,
// which is the same for equal paths. A path has at least one name, and each at
// most 256 bytes. What is added twice must be removed twice.
func (t *Tree) Add(path []string) int32 {
	if len(path) == 0 {
		panic("jsonkey: a path without names")
	}
	n, parent := &t.root, int32(noParent)
	for _, name := range path {
		if len(name) > maxName {
			panic("jsonkey: a name of more than 256 bytes")
		}
		child := n.children[name]
		if child == nil {
			if n.children == nil {
				n.children = make(map[string]*node, 1)
			}
			child = &node{id: t.newID(parent)}
			n.children[name] = child
			n.children = shrink.Map(n.children, &n.most)
			n.lengths |= 1 << (len(name) & 63)
		}
		child.refs++
		n, parent = child, child.id
	}
	return n.id
}

// Remove takes a path out that was added. Ids that nothing needs any more are
// given to paths that are added later.
func (t *Tree) Remove(path []string) {
	n := &t.root
	for _, name := range path {
		child := n.children[name]
		if child.refs--; child.refs == 0 {
			delete(n.children, name)
			n.children = shrink.Map(n.children, &n.most)
			if len(n.children) < 64 { // of more, all lengths may be there anyway
				n.lengths = 0
				for other := range n.children {
					n.lengths |= 1 << (len(other) & 63)
				}
			}
			t.release(child)
			return
		}
		n = child
	}
}

// Size is more than every id in the tree.
func (t *Tree) Size() int { return len(t.parents) }

// Len is the number of members that paths name, or lead through.
func (t *Tree) Len() int { return len(t.parents) - len(t.free) }

func (t *Tree) newID(parent int32) int32 {
	if last := len(t.free) - 1; last >= 0 {
		id := t.free[last]
		t.free = t.free[:last]
		t.parents[id] = parent
		return id
	}
	t.parents = append(t.parents, parent)
	return int32(len(t.parents) - 1)
}

func (t *Tree) release(n *node) {
	t.free = append(t.free, n.id)
	for _, child := range n.children {
		t.release(child)
	}
}

// Found is where the members of a tree are in one event. One goroutine owns it
// and uses it again for the next event.
type Found struct {
	root    *node   // of the tree
	parents []int32 // the tree's
	spans   []Span  // by id
	ids     []int32 // the first n: whose span is not zero
	n       int
}

// A Span is the place in the event of the last value that was seen for a member.
// It is zero if none was. It counts only if it lies within its parent's span: a
// later duplicate of the parent replaces what was found in an earlier one, and
// this way costs nothing however many duplicates somebody sends.
type Span struct{ Start, End int32 }

// Found returns a Found for the tree as it is; after a change of the tree another one is
// needed. It uses the caller's memory, on its stack say, if spans, which
// are all zero, and ids have room for the Size of the tree.
func (t *Tree) Found(spans []Span, ids []int32) Found {
	if size := len(t.parents); len(spans) < size || len(ids) < size {
		spans, ids = make([]Span, size), make([]int32, size)
	}
	return Found{root: &t.root, parents: t.parents, spans: spans, ids: ids}
}

// Scan finds all members of the tree in the event, in one pass.
func (f *Found) Scan(event []byte) {
	f.Forget()
	if len(f.root.children) == 0 {
		return // a sample of whole events, say
	}
	if i := skipSpace(event, 0); i < len(event) && event[i] == '{' {
		f.object(event, i, f.root)
	}
}

// Forget sets all spans to zero, as before the first Scan.
func (f *Found) Forget() {
	for _, id := range f.ids[:f.n] {
		f.spans[id] = Span{}
	}
	f.n = 0
}

// Value returns the bytes of the member with that id, in the event that was
// scanned last.
func (f *Found) Value(event []byte, id int32) ([]byte, bool) {
	at := f.Span(id)
	return event[at.Start:at.End], at.End > 0
}

// Span is where Value is in the event, zero if there is none.
func (f *Found) Span(id int32) Span {
	at := f.spans[id]
	if at.End == 0 {
		return Span{}
	}
	for child, parent := at, f.parents[id]; parent >= 0; parent = f.parents[parent] {
		around := f.spans[parent]
		if child.Start < around.Start || child.End > around.End {
			return Span{}
		}
		child = around
	}
	return at
}

// IDs are the members that were seen, each once, in no particular order. Some may
// have no value: those that a later duplicate of their parent took away.
func (f *Found) IDs() []int32 { return f.ids[:f.n] }

// object notes the members of the object at b[i] and returns the offset after it.
func (f *Found) object(b []byte, i int, n *node) int {
	i = skipSpace(b, i+1)
	for i < len(b) && b[i] == '"' {
		end, escaped := skipName(b, i)
		name := b[i+1 : max(end-1, i+1)]
		var child *node
		if escaped {
			child = n.spelled(name)
		} else if n.lengths>>(len(name)&63)&1 != 0 {
			child = n.children[string(name)]
		}
		i = skipSpace(b, end)
		if i >= len(b) || b[i] != ':' {
			return len(b) // not valid JSON
		}
		i = skipSpace(b, i+1)
		if child == nil {
			i = skipValue(b, i)
		} else {
			i = f.member(b, i, child)
		}
		i = skipSpace(b, i)
		if i >= len(b) || b[i] != ',' {
			break
		}
		i = skipSpace(b, i+1)
	}
	return min(i+1, len(b)) // after the brace
}

// member notes the value at b[i], and what the tree names within it, and returns
// the offset after it.
func (f *Found) member(b []byte, i int, n *node) int {
	start := i
	if len(n.children) > 0 && i < len(b) && b[i] == '{' {
		i = f.object(b, i, n)
	} else {
		i = skipValue(b, i)
	}
	if f.spans[n.id].End == 0 {
		f.ids[f.n] = n.id // no append: it would send the caller's memory to the heap
		f.n++
	}
	f.spans[n.id] = Span{int32(start), int32(i)}
	return i
}

// spelled returns the child whose name is spelled with escapes in the event.
func (n *node) spelled(name []byte) *node {
	var buf [maxName + 4]byte
	return n.children[string(AppendText(buf[:0], name, maxName))]
}
