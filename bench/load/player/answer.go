package player

import (
	"bytes"
	"errors"
)

// answer is what a player looks at in a response.
type answer struct {
	status int
	size   int  // of head and body together
	closes bool // the server closes the connection after it
}

var (
	errNotHTTP  = errors.New("the answer is not HTTP/1.x")
	errUnsized  = errors.New("the answer has no Content-Length, which this generator needs")
	errTooLarge = errors.New("the answer is larger than 64 KiB")
)

// parseAnswer reads the first response in b. It returns false while it is
// incomplete.
func parseAnswer(b []byte) (a answer, complete bool, err error) {
	const shortest = len("HTTP/1.1 200 ")
	if len(b) < shortest {
		return a, false, nil
	}
	if string(b[:7]) != "HTTP/1." || b[8] != ' ' {
		return a, false, errNotHTTP
	}
	for _, c := range b[9:12] {
		if c < '0' || c > '9' {
			return a, false, errNotHTTP
		}
		a.status = a.status*10 + int(c-'0')
	}
	head := bytes.Index(b, []byte("\r\n\r\n"))
	if head < 0 {
		if len(b) > maxAnswer {
			return a, false, errTooLarge
		}
		return a, false, nil
	}
	length := -1
	for line := range bytes.SplitSeq(b[:head], []byte("\r\n")) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case isHeader(name, "content-length"):
			length = 0
			for _, c := range bytes.TrimSpace(value) {
				if c < '0' || c > '9' || length > maxAnswer {
					return a, false, errTooLarge
				}
				length = length*10 + int(c-'0')
			}
		case isHeader(name, "connection"):
			a.closes = bytes.EqualFold(bytes.TrimSpace(value), []byte("close"))
		}
	}
	if length < 0 {
		if a.status != 204 {
			return a, false, errUnsized
		}
		length = 0
	}
	a.size = head + len("\r\n\r\n") + length
	return a, len(b) >= a.size, nil
}

const maxAnswer = 64 << 10

// isHeader compares lengths first: it is asked for every line of every answer.
func isHeader(name []byte, lower string) bool {
	return len(name) == len(lower) && bytes.EqualFold(name, []byte(lower))
}
