// Command centrifugo is a rival: the server of that name, which the benchmark's runner
// installs, with its memory engine and one channel, whose events go from its HTTP API to
// unidirectional consumers. It writes the configuration and becomes that server.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// What costs and is not asked for is off: history, presence, checks of tokens, metrics, and
// lines in the log. The queue of a consumer is as long as what others' consumers may lag.
const configuration = `{
	"http_server": {"address": "127.0.0.1", "port": %s},
	"log": {"level": "error"},
	"client": {"insecure": true, "queue_max_size": 33554432},
	"http_api": {"insecure": true},
	"uni_sse": {"enabled": true},
	"uni_websocket": {"enabled": true, "join_push_messages": true}
}
`

func main() {
	port := flag.String("port", "18007", "loopback port to listen on")
	flag.Parse()
	log.Fatal(run(strings.TrimPrefix(*port, ":")))
}

func run(port string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	server := filepath.Join(filepath.Dir(self), "installed", "centrifugo")
	if _, err := os.Stat(server); err != nil {
		return errors.New("centrifugo is not installed: go run ./run does that, where there is a module proxy")
	}
	file := filepath.Join(os.TempDir(), "centrifugo-"+port+".json") // the next one on the port takes its place
	if err := os.WriteFile(file, fmt.Appendf(nil, configuration, port), 0o600); err != nil {
		return err
	}
	return syscall.Exec(server, []string{"centrifugo", "-c", file}, os.Environ())
}
