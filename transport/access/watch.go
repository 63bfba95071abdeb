package access

import "os"

// files notices that files were written or replaced. It looks at them: what
// notifies of changes does not see those of network file systems, nor the links
// that orchestrators swap.
type files struct {
	paths []string
	used  []os.FileInfo // as they were read; nil: not there
	last  []os.FileInfo // as changed found them
}

// watch begins anew, with files that were just read.
func (f *files) watch(paths []string) {
	f.paths = paths
	f.used = look(paths)
	f.last = f.used
}

// changed reports whether the files are others than those that were read, and have
// not been written since the last look: one that is half-written may be well-formed.
func (f *files) changed() bool {
	now := look(f.paths)
	settled := same(now, f.last)
	f.last = now
	return settled && !same(now, f.used)
}

func look(paths []string) []os.FileInfo {
	list := make([]os.FileInfo, len(paths))
	for i, p := range paths {
		if info, err := os.Stat(p); err == nil {
			list[i] = info
		}
	}
	return list
}

func same(a, b []os.FileInfo) bool {
	for i := range a {
		switch x, y := a[i], b[i]; {
		case x == nil || y == nil:
			if x != y {
				return false
			}
		case !os.SameFile(x, y) || x.Size() != y.Size() || !x.ModTime().Equal(y.ModTime()):
			return false
		}
	}
	return true
}
