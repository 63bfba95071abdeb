package event

import "strings"

// Flavour is the kind of player that publishes an event.
type Flavour uint8

// Plain is the bare minimum of headers, for measurements; the others send what
// the real players send.
const (
	Plain Flavour = iota
	Web
	Apple
	Android

	Flavours = 4
)

func (f Flavour) String() string {
	return [...]string{"Plain", "Web", "Apple", "Android"}[f]
}

// Headers are the request headers besides Host, Content-Length, Connection.
func (f Flavour) Headers() string {
	switch f {
	case Web:
		return "Content-Type: text/plain;charset=UTF-8\r\n" +
			"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:146.0) Gecko/20100101 Firefox/146.0\r\n" +
			"Accept: */*\r\nAccept-Language: fr-CH,fr;q=0.8,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n" +
			"Origin: https://www.example.org\r\nReferer: https://www.example.org/\r\n" +
			"Sec-Fetch-Dest: empty\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Site: cross-site\r\n"
	case Apple:
		return "Content-Type: application/json\r\nAccept: */*\r\nAccept-Language: fr-CH\r\n" +
			"Accept-Encoding: gzip, deflate, br\r\nUser-Agent: Player/1 CFNetwork/1568.200.51 Darwin/24.1.0\r\n"
	case Android:
		return "Content-Type: application/json\r\nAccept: application/json\r\nAccept-Charset: UTF-8\r\n" +
			"User-Agent: ktor-client\r\nAccept-Encoding: gzip\r\n"
	default:
		return "Content-Type: application/json\r\n"
	}
}

// escape writes a URL the way the flavour's JSON encoder does.
func (f Flavour) escape(url string) string {
	if f == Apple {
		return strings.ReplaceAll(url, "/", `\/`)
	}
	return url
}
