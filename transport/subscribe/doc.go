// Package subscribe serves consumers: it reads what one asks for, takes a cursor
// before the consumer can see its stream open, writes the response head, and hands
// the connection to the writer loops.
package subscribe
