package access

import (
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// A reloader has something read again that is made of files, when these change.
type reloader struct {
	reading sync.Mutex // one at a time
	files   files      // guarded by reading

	failures   atomic.Uint64 // readings that failed
	quit, done chan struct{}
}

// pollInterval is how often files and expiry are looked at, so also how late a
// stream may be ended.
const pollInterval = time.Second

// read calls load, which notes the files that it reads, those that it cannot, too: a
// mended one is noticed.
func (r *reloader) read(load func(seen *files) error) error {
	r.reading.Lock()
	defer r.reading.Unlock()
	r.files = files{}
	err := load(&r.files)
	if err != nil {
		r.failures.Add(1)
	}
	return err
}

// follow has reload called when the files have changed, which says in the log what was
// wrong, and tick, which may be nil, at every look; until stop.
func (r *reloader) follow(reload func() error, tick func(now time.Time)) {
	r.quit, r.done = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(r.done)
		looks := time.NewTicker(pollInterval)
		defer looks.Stop()
		for {
			select {
			case <-r.quit:
				return
			case <-looks.C:
			}
			r.reading.Lock()
			changed := r.files.changed()
			r.reading.Unlock()
			if changed {
				_ = reload()
			}
			if tick != nil {
				tick(time.Now())
			}
		}
	}()
}

func (r *reloader) stop() {
	close(r.quit)
	<-r.done
}

// files notices that files were written or replaced. It looks at them: what
// notifies of changes does not see those of network file systems, nor the links
// that orchestrators swap.
type files struct {
	paths []string
	used  []os.FileInfo // as they were read; nil: not there
	last  []os.FileInfo // as changed found them
}

// add notes a file that is about to be read: what is written to it from now on is news.
func (f *files) add(path string) {
	f.paths, f.used = append(f.paths, path), append(f.used, stat(path))
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
		list[i] = stat(p)
	}
	return list
}

// stat is what the system knows of a file; nil if it is not there.
func stat(path string) os.FileInfo {
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	return info
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
