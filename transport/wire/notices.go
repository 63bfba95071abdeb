package wire

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// InRing reports whether events have on this format the bytes that they have in
// the ring.
func (f Format) InRing() bool { return f.Kind == SSE && f.chunked() && !f.IDs }

// chunked reports whether what this format appends is in chunks. Of a compressed
// body the blocks are.
func (f Format) chunked() bool {
	return f.Kind != WebSocket && !f.Unchunked && f.Encoding == Identity
}

// open begins what is to be a chunk of its own, if there are chunks; close ends it.
func (f Format) open(dst []byte) []byte {
	if f.chunked() {
		return append(dst, chunkHead...)
	}
	return dst
}

func (f Format) close(dst []byte, at int) []byte {
	if f.chunked() {
		return closeChunk(dst, at)
	}
	return dst
}

// ContentType is that of the response. Events are in UTF-8, and clients that are
// not told read Latin-1, in which parts of some letters end a line.
func (f Format) ContentType() string {
	if f.Kind == NDJSON {
		return "application/x-ndjson"
	}
	return "text/event-stream; charset=utf-8"
}

// AppendEvent appends an event, which must be one line.
func (f Format) AppendEvent(dst, json []byte) []byte {
	at := len(dst)
	switch f.Kind {
	case WebSocket:
		return f.appendText(dst, json)
	case NDJSON:
		return f.close(appendLine(f.open(dst), json), at)
	}
	return f.close(append(append(append(f.open(dst), dataField...), json...), blankLine...), at)
}

// AppendEventID appends an event and the place behind it. On Server-Sent Events they are
// one block: an EventSource takes both or, if its connection ends inside the block, none.
// On the others the place follows, and who takes an event for received when that has come
// gets it once, too.
func (f Format) AppendEventID(dst, id, json []byte) []byte {
	at := len(dst)
	switch f.Kind {
	case WebSocket:
		return f.AppendID(f.appendText(dst, json), id)
	case NDJSON:
		dst = appendLine(f.open(dst), json)
		return f.close(append(appendMember(dst, "id", strconv.Quote(string(id))), '\n'), at)
	}
	dst = append(append(append(f.open(dst), "id: "...), id...), '\n')
	return f.close(append(append(append(dst, dataField...), json...), blankLine...), at)
}

// noticeHead begins what we say ourselves where events are bare JSON, and no event does.
const noticeHead = `{"$dispatcher":`

// appendLine appends an event as a line of NDJSON. Behind a blank it is the same JSON and
// no notice.
func appendLine(dst, json []byte) []byte {
	if bytes.HasPrefix(json, []byte(noticeHead)) {
		dst = append(dst, ' ')
	}
	return append(append(dst, json...), '\n')
}

// appendText appends an event as a text frame: as a line, if some frames are notices.
func (f Format) appendText(dst, json []byte) []byte {
	if (f.Notices || f.IDs) && bytes.HasPrefix(json, []byte(noticeHead)) {
		return append(append(AppendTextHeader(dst, 1+len(json)), ' '), json...)
	}
	return append(AppendTextHeader(dst, len(json)), json...)
}

// AppendOpening appends what a stream begins with, so that it is seen to be open
// before the first event. Text is for people; empty says no more than that the
// stream is open. With notices it is an event as well, if there is text.
func (f Format) AppendOpening(dst []byte, text string) []byte {
	at, text := len(dst), printable(text)
	switch f.Kind {
	case WebSocket:
		if text == "" {
			return dst
		}
		return f.appendControl(dst, "connected", strconv.Quote(text), "connected: "+text)
	case NDJSON:
		if text == "" {
			return f.close(append(f.open(dst), '\n'), at)
		}
		return f.close(append(appendMember(f.open(dst), "connected", strconv.Quote(text)), '\n'), at)
	}
	dst = append(f.open(dst), ": connected"...)
	if text != "" {
		dst = append(append(dst, "; "...), text...)
	}
	dst = append(dst, '\n')
	if f.Notices && text != "" {
		dst = append(append(append(dst, "event: connected\ndata: "...), text...), blankLine...)
	}
	return f.close(dst, at)
}

// printable is text on one line, whatever was in it.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
}

var (
	keepAliveSSE       = Format{}.appendKeepAlive()
	keepAliveNDJSON    = Format{Kind: NDJSON}.appendKeepAlive()
	keepAliveWebSocket = AppendPing(nil, "")
	keepAliveLine      = []byte(":\n")
	keepAliveEmptyLine = []byte("\n")
)

func (f Format) appendKeepAlive() []byte {
	if f.Kind == NDJSON {
		return f.close(append(f.open(nil), keepAliveEmptyLine...), 0)
	}
	return f.close(append(f.open(nil), keepAliveLine...), 0)
}

// KeepAlive is written to consumers that got no bytes for a while. It is shared and
// must not be modified.
func (f Format) KeepAlive() []byte {
	switch {
	case f.Kind == WebSocket:
		return keepAliveWebSocket
	case f.Kind == NDJSON && f.chunked():
		return keepAliveNDJSON
	case f.Kind == NDJSON:
		return keepAliveEmptyLine
	case f.chunked():
		return keepAliveSSE
	}
	return keepAliveLine
}

// AppendSkipped appends the notice that n events were skipped.
func (f Format) AppendSkipped(dst []byte, n uint64) []byte {
	at := len(dst)
	switch f.Kind {
	case WebSocket:
		number := strconv.FormatUint(n, 10)
		return f.appendControl(dst, "skipped", number, "skipped "+number)
	case NDJSON:
		return f.close(append(appendMember(f.open(dst), "skipped", strconv.FormatUint(n, 10)), '\n'), at)
	}
	dst = append(f.open(dst), ": skipped "...)
	dst = append(strconv.AppendUint(dst, n, 10), '\n')
	if f.Notices {
		dst = append(dst, "event: skipped\ndata: "...)
		dst = append(strconv.AppendUint(dst, n, 10), blankLine...)
	}
	return f.close(dst, at)
}

// AppendFarewell appends what comes last on a stream that ends cleanly. It asks
// the consumer to come back after about the given time, where it can. AppendEnd
// must follow.
func (f Format) AppendFarewell(dst []byte, retry time.Duration) []byte {
	at := len(dst)
	switch f.Kind {
	case WebSocket:
		return AppendClose(dst, CodeGoingAway, "shutting down")
	case NDJSON:
		return f.close(append(appendMember(f.open(dst), "retry", strconv.FormatInt(retry.Milliseconds(), 10)), '\n'), at)
	}
	return f.AppendReconnect(dst, retry)
}

// AppendReconnect appends what sets the reconnection time of an EventSource, which keeps
// it until it is told another.
func (f Format) AppendReconnect(dst []byte, after time.Duration) []byte {
	return f.close(AppendRetry(f.open(dst), after), len(dst))
}

// AppendEnded appends what comes last on a stream that may not go on, with the
// reason, one word. AppendEnd must follow.
func (f Format) AppendEnded(dst []byte, why string) []byte {
	at := len(dst)
	switch f.Kind {
	case WebSocket:
		return AppendClose(dst, CodePolicy, why)
	case NDJSON:
		return f.close(append(appendMember(f.open(dst), "ended", strconv.Quote(why)), '\n'), at)
	}
	dst = append(append(f.open(dst), ": ended "...), why...)
	return f.close(append(dst, '\n'), at)
}

// AppendEnd appends what ends the body of a response.
func (f Format) AppendEnd(dst []byte) []byte {
	if f.Kind == WebSocket || f.Unchunked {
		return dst
	}
	return append(dst, "0\r\n\r\n"...)
}

// AppendID appends the place from which a consumer can resume. It is one word.
// Only an empty line has an EventSource remember it.
func (f Format) AppendID(dst, id []byte) []byte {
	at := len(dst)
	switch f.Kind {
	case WebSocket:
		// Asked for by the consumer, which must see it: so it is text.
		text := appendMember(nil, "id", strconv.Quote(string(id)))
		return append(AppendTextHeader(dst, len(text)), text...)
	case NDJSON:
		return f.close(append(appendMember(f.open(dst), "id", strconv.Quote(string(id))), '\n'), at)
	}
	dst = append(append(f.open(dst), "id: "...), id...)
	return f.close(append(dst, blankLine...), at)
}

// AppendRetry appends the line that sets the reconnection time of an EventSource.
func AppendRetry(dst []byte, after time.Duration) []byte {
	dst = append(dst, "retry: "...)
	return append(strconv.AppendInt(dst, after.Milliseconds(), 10), '\n')
}

// appendMember appends a notice as JSON.
func appendMember(dst []byte, name, value string) []byte {
	dst = append(append(append(dst, noticeHead...), `{"`...), name...)
	dst = append(append(dst, `":`...), value...)
	return append(dst, "}}"...)
}

// appendControl appends a notice over WebSocket. Every data frame is an event, so
// it is a ping: clients answer it without showing it, and who looks finds the
// text. A consumer that asked for notices is sent a text frame besides.
func (f Format) appendControl(dst []byte, name, value, text string) []byte {
	dst = AppendPing(dst, text[:min(len(text), MaxControl)])
	if f.Notices {
		json := appendMember(nil, name, value)
		dst = append(AppendTextHeader(dst, len(json)), json...)
	}
	return dst
}
