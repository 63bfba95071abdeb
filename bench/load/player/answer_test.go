package player

import (
	"errors"
	"strings"
	"testing"
)

func TestParseAnswer(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 0\r\n\r\n"
	const bad = "HTTP/1.1 400 Bad Request\r\ncontent-length:  5\r\nConnection: Close\r\n\r\nwrong"
	for _, tt := range []struct {
		name string
		in   string
		want answer
		done bool
		err  error
	}{
		{"accepted", ok, answer{200, len(ok), false}, true, nil},
		{"two at once", ok + bad, answer{200, len(ok), false}, true, nil},
		{"body and close", bad, answer{400, len(bad), true}, true, nil},
		{"body incomplete", bad[:len(bad)-1], answer{400, len(bad), true}, false, nil},
		{"head incomplete", ok[:len(ok)-1], answer{status: 200}, false, nil},
		{"hardly begun", "HTTP/1.1", answer{}, false, nil},
		{"no length", "HTTP/1.1 200 OK\r\n\r\n", answer{status: 200}, false, errUnsized},
		{"no content", "HTTP/1.1 204 No Content\r\n\r\n", answer{204, 27, false}, true, nil},
		{"not HTTP", "SSH-2.0-OpenSSH_10.0", answer{}, false, errNotHTTP},
		{"status not a number", "HTTP/1.1 2x0 OK\r\n\r\n", answer{status: 2}, false, errNotHTTP},
		{"endless head", "HTTP/1.1 200 " + strings.Repeat("x", maxAnswer), answer{status: 200}, false, errTooLarge},
		{"huge body", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", answer{status: 200}, false, errTooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, done, err := parseAnswer([]byte(tt.in))
			if got != tt.want || done != tt.done || !errors.Is(err, tt.err) {
				t.Errorf("parseAnswer(%.60q) = %+v, %v, %v; want %+v, %v, %v", tt.in, got, done, err, tt.want, tt.done, tt.err)
			}
		})
	}
}
