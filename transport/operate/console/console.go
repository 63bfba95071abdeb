// Package console has the files of the operators' page.
//
//	index.html   the page
//	console.js   asks for the figures once a second, fills tiles and tables
//	charts.js    the last two minutes
//	tail.js      live events, as many as a person can follow
//	session.js   one session from START to STOP
//	service.js   addresses, tokens, streams that come back
//	text.js      how numbers and hostile events are shown
//	uPlot.*      https://github.com/leeoniya/uPlot 1.6.32, with its licence
package console

import "embed"

// Files are those that browsers load.
//
//go:embed *.html *.css *.js *.svg *.LICENSE
var Files embed.FS
