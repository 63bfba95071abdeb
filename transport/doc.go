// Package transport is the house of everything that speaks HTTP: it joins the rooms
// by one table of routes (route.go) and takes them through their life (server.go).
//
//	front      accepts connections, refuses what is not well-formed, lets go of streams
//	ingest     what players post
//	subscribe  what consumers ask for
//	screens    what users' screens share
//	operate    what operators look at
//
// A route says on which listeners a path is, for which methods, which right it
// needs, how it is refused, and who serves it. Everything that depends on the path
// alone (405 and Allow, preflights, what is decided before a body comes) follows
// from the table.
package transport
