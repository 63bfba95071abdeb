//go:build !linux

package websocket

// Where there is no epoll, goroutines read.
type (
	poll   struct{}
	polled struct{}
)

func (*Readers) pollFor(*Reader) bool { return false }
func (*polled) forget()               {}

// Await reports false: nothing waits for the connection to take bytes.
func (*Reader) Await(func()) bool { return false }
