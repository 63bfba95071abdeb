// Command natsws is a rival: a NATS server, to which consumers come over WebSocket, and
// before it what players need, because they speak HTTP: a handler that publishes what is
// POSTed. Both are one process, so that nothing travels between them through the kernel.
package main

import (
	"errors"
	"flag"
	"log"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/valyala/fasthttp"
)

// Consumers have an address of their own on the port.
const (
	playersHost   = "127.0.0.1"
	consumersHost = "127.0.0.2"
	subject       = "all"
)

func main() {
	port := flag.String("port", "18008", "loopback port to listen on: players at "+playersHost+", consumers at "+consumersHost)
	flag.Parse()
	log.Fatal(run(strings.TrimPrefix(*port, ":")))
}

func run(port string) error {
	number, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	// What may wait for a consumer is as much as what others' consumers may lag.
	s, err := server.NewServer(&server.Options{
		DontListen: true, NoSigs: true, MaxPending: 32 << 20,
		Websocket: server.WebsocketOpts{Host: consumersHost, Port: number, NoTLS: true},
	})
	if err != nil {
		return err
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		return errors.New("the NATS server is not ready after 10 s")
	}
	nc, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		return err
	}
	front := &fasthttp.Server{
		Handler: func(ctx *fasthttp.RequestCtx) {
			if !ctx.IsPost() {
				return
			}
			if err := nc.Publish(subject, ctx.PostBody()); err != nil {
				ctx.Error(err.Error(), fasthttp.StatusServiceUnavailable)
			}
		},
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		DisablePreParseMultipartForm: true,
	}
	return front.ListenAndServe(playersHost + ":" + port)
}
