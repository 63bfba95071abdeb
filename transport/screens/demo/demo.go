// Package demo has the files of the sessions demo, which is a page that shows the
// screens of two users side by side. It is meant to be copied from.
//
//	index.html   the page, with a template of one screen
//	demo.js      opens the screens that the address names: ?practice=demo&users=alice,bob
//	screen.js    a user's connection: what is shown, who is there, how to change it
//	board.js     draws a screen and listens to its buttons
package demo

import "embed"

// Files are those that browsers load.
//
//go:embed *.html *.css *.js
var Files embed.FS
