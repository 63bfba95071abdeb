// Package epoll waits for many sockets on Linux, and sleeps as a goroutine.
//
// A goroutine that sleeps in epoll_wait(2) is expensive when little happens: while it is
// in the system call, the runtime's monitor looks after it, some fifty times in the first
// milliseconds, after each wake-up. Here the set is watched by the runtime's poller, as any
// file can be (epoll(7): a set is itself readable while it has news), and its owner parks
// as a goroutine that reads from it. Who wakes the owner sets a read deadline that is over:
// that is no system call of its own, and the runtime runs the owner next.
//
// # No wake-up is lost
//
//	Wake:  store woken;     set a deadline that is over.
//	Wait:  set a deadline;  load woken;  park;  clear woken.
//
// The runtime sets a file's deadlines one after the other. If Wait's comes last, its load
// sees woken, and it does not park. Else the one that is over ends the park, or does not
// let it begin. What the waker stored before it called Wake, the owner sees after Wait:
// either Wait cleared woken after Wake had set it, or the next Wait returns at once.
package epoll
