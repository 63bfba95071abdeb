//go:build linux

package batches

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"event-dispatcher/internal/program"
)

func TestMain(m *testing.M) {
	code := m.Run()
	program.Clean()
	os.Exit(code)
}

// perBatch events of 0.5 KB are a batch of 0.25 MB.
const perBatch = 500

// events are heartbeats as players send them, one per line.
func events() []byte {
	var b bytes.Buffer
	for i := range perBatch {
		fmt.Fprintf(&b, `{"event_name":"HEARTBEAT","session_id":"%08x-7c1e-4b7a-9f0e-1d2c3b4a5f60","timestamp":%d,"version":1,"data":{"player":{"name":"pillarbox-web","platform":"Web","version":"1.2.3"},"position":%d,"position_timestamp":%d,"bandwidth":%d,"bitrate":2800000,"buffered_duration":30000,"stall":{"count":2,"duration":1234},"duration":3600000,"stream_type":"On-demand","url":"https://cdn.example.com/path/to/some/stream/master.m3u8?token=abcdefghijklmnop","playback_duration":120000}}`+"\n",
			uint32(i*2654435761), 1764752400000+i*37, i*997%360000, 1764752400000+i*41, 4000000+i*7919%1000000)
	}
	return b.Bytes()
}

// request is a POST of the events.
func request(b *testing.B, coding string) []byte {
	body, headers := events(), "Content-Type: application/x-ndjson\r\n"
	if coding == "gzip" {
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		if _, err := w.Write(body); err != nil {
			b.Fatal(err)
		}
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
		body, headers = z.Bytes(), headers+"Content-Encoding: gzip\r\n"
	}
	return fmt.Appendf(nil, "POST /metrics HTTP/1.1\r\nHost: b\r\n%sContent-Length: %d\r\n\r\n%s", headers, len(body), body)
}

// BenchmarkBatches posts batches over 4 connections as fast as they are taken, with
// one consumer that reads as fast as it can. Run it alone on the machine:
//
//	go test -run '^$' -bench Batches -benchtime 3s ./internal/batches
func BenchmarkBatches(b *testing.B) {
	for _, coding := range []string{"identity", "gzip"} {
		server := program.Start(b)
		stream, err := net.Dial("tcp", server.Addrs[0])
		if err != nil {
			b.Fatal(err)
		}
		defer stream.Close()
		fmt.Fprint(stream, "GET /events HTTP/1.1\r\nHost: b\r\n\r\n")
		go io.CopyBuffer(io.Discard, struct{ io.Reader }{stream}, make([]byte, 1<<20))
		req := request(b, coding)
		b.Run("coding="+coding, func(b *testing.B) { measure(b, server, req) })
	}
}

// measure posts b.N batches.
func measure(b *testing.B, server *program.Program, req []byte) {
	before := take(b, server)
	b.SetParallelism(2)
	b.RunParallel(func(pb *testing.PB) {
		conn, err := net.Dial("tcp", server.Addrs[0])
		if err != nil {
			b.Error(err)
			return
		}
		defer conn.Close()
		answers := bufio.NewReader(conn)
		for pb.Next() {
			if _, err := conn.Write(req); err != nil {
				b.Error(err)
				return
			}
			resp, err := http.ReadResponse(answers, nil)
			if err != nil {
				b.Error(err)
				return
			}
			body, err := io.ReadAll(resp.Body)
			if want := fmt.Sprintf(`{"accepted":%d,`, perBatch); err != nil || !strings.HasPrefix(string(body), want) {
				b.Errorf("answer = %d %s, %v; want all accepted", resp.StatusCode, body, err)
				return
			}
		}
	})
	elapsed := b.Elapsed()
	after := take(b, server)
	events := float64(b.N * perBatch)
	b.ReportMetric(events/elapsed.Seconds(), "events/s")
	b.ReportMetric((after.cpu-before.cpu)*1e6/events, "cpu-µs/event")
	b.ReportMetric((after.mallocs-before.mallocs)/events, "mallocs/event")
	b.ReportMetric((after.skipped-before.skipped)/events, "skipped/event")
	b.ReportMetric(0, "ns/op") // a batch's
}

// A state is what the server has used so far.
type state struct{ cpu, mallocs, skipped float64 }

func take(b *testing.B, server *program.Program) state {
	// Between the last bracket and the times are 11 fields (proc(5)).
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", server.Cmd.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, err1 := strconv.ParseFloat(fields[11], 64)
	system, err2 := strconv.ParseFloat(fields[12], 64)
	if err1 != nil || err2 != nil {
		b.Fatalf("/proc has %q", stat)
	}
	const ticks = 100 // per second, on all Linux that Go runs on
	return state{(user + system) / ticks, server.Metric("go_memstats_mallocs_total"), server.Metric("dispatcher_events_skipped_total")}
}
