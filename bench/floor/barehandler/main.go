// Command barehandler is the ingest ceiling: a fasthttp server that reads the
// body of every request and answers 200 with nothing. No dispatcher on the
// same HTTP library can spend less on a POST.
package main

import (
	"flag"
	"log"
	"strings"

	"github.com/valyala/fasthttp"
)

func main() {
	port := flag.String("port", "18001", "loopback port to listen on")
	flag.Parse()

	srv := &fasthttp.Server{
		Handler: func(ctx *fasthttp.RequestCtx) {
			// fasthttp has the whole body in memory before the handler
			// runs, so looking at its length is all the reading there is.
			if len(ctx.PostBody()) == 0 {
				ctx.SetStatusCode(fasthttp.StatusBadRequest)
			}
		},
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		DisablePreParseMultipartForm: true,
		ReadBufferSize:               16 << 10,
	}
	log.Fatal(srv.ListenAndServe("127.0.0.1:" + strings.TrimPrefix(*port, ":")))
}
