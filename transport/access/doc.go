// Package access knows who may: which pages of other origins may read answers and
// open sockets, and which rights a path needs.
package access
