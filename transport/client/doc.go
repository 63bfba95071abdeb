// Package client knows who asks: the address of a client behind proxies, how many
// events it may send, how many connections it may hold.
package client
