//go:build unix

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What an open console costs, on a quiet machine:
//
//	go test -run '^$' -bench Console -benchtime 1x
//
// RATE is the events per second (20000), WINDOW how long each window lasts (10s). Windows without
// a console, with what its page asks for but no browser, and with it in Chromium take turns; a figure
// is the median of them. What Chromium adds is no work of the service: it takes the caches and cores that both
// share. ratio-asked is what a console on another machine costs.
func BenchmarkConsole(b *testing.B) {
	rate, err := strconv.Atoi(setting("RATE", "20000"))
	if err != nil {
		b.Fatal(err)
	}
	window, err := time.ParseDuration(setting("WINDOW", "10s"))
	if err != nil {
		b.Fatal(err)
	}
	addr := start(b, 1)[0]
	for range 10 {
		resp, err := http.Get("http://" + addr + "/events")
		if err != nil {
			b.Fatal(err)
		}
		defer resp.Body.Close()
		go io.Copy(io.Discard, resp.Body)
	}
	stop := play(b, addr, newCrowd(2000), rate)
	defer stop()
	b.ResetTimer()
	for range b.N {
		var without, asked, with, held []float64
		var tasks []int
		for range 3 {
			without = append(without, cores(b, addr, window))
			enough := ask(b, addr, rate)
			asked = append(asked, cores(b, addr, window))
			enough()
			page := console(b, addr, 1280, 860)
			page.until("it shows a part", `document.getElementById("tail-state").textContent.includes("1 of")`)
			eval[any](page, "longTasks.length = 0")
			before, begin := value(b, addr, "dispatcher_events_published_total"), time.Now()
			with = append(with, cores(b, addr, window))
			held = append(held, (value(b, addr, "dispatcher_events_published_total")-before)/time.Since(begin).Seconds())
			tasks = append(tasks, eval[[]int](page, "longTasks")...)
			page.close()
		}
		b.ReportMetric(middle(held), "events/s")
		b.ReportMetric(middle(without), "cores-without")
		b.ReportMetric(middle(asked), "cores-asked")
		b.ReportMetric(middle(asked)/middle(without), "ratio-asked")
		b.ReportMetric(middle(with), "cores-with")
		b.ReportMetric(middle(with)/middle(without), "ratio")
		b.ReportMetric(float64(len(tasks))/3, "tasks-over-50ms/window")
		b.ReportMetric(float64(slices.Max(append(tasks, 0))), "longest-ms")
		b.Logf("without: %.3f, asked: %.3f, with: %.3f cores; tasks over 50 ms: %v", without, asked, with, tasks)
	}
	b.ReportMetric(0, "ns/op")
}

// ask has a client that is no browser ask for what the console's page does at this rate,
// until stop is called: a sample of 20 events a second, and the figures once a second.
func ask(t testing.TB, addr string, rate int) (stop func()) {
	t.Helper()
	resp, err := http.Get(fmt.Sprintf("http://%s/events?notices=event&name=console&sample=%g", addr, min(1, 20/float64(rate))))
	if err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, resp.Body)
	every := time.NewTicker(time.Second)
	ends, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-ends:
				return
			case <-every.C:
				if figures, err := http.Get("http://" + addr + "/console/stats"); err == nil {
					io.Copy(io.Discard, figures.Body)
					figures.Body.Close()
				}
			}
		}
	}()
	return func() {
		close(ends)
		<-ended
		every.Stop()
		resp.Body.Close()
	}
}

func setting(name, standard string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return standard
}

// cores is how many the service uses while it is measured.
func cores(t testing.TB, addr string, window time.Duration) float64 {
	t.Helper()
	const name = "process_cpu_seconds_total"
	before, begin := value(t, addr, name), time.Now()
	time.Sleep(window)
	return (value(t, addr, name) - before) / time.Since(begin).Seconds()
}

// value is that of a metric without labels.
func value(t testing.TB, addr, name string) (v float64) {
	t.Helper()
	_, rest, ok := strings.Cut(get(t, addr, "/metrics"), "\n"+name+" ")
	if _, err := fmt.Sscan(rest, &v); !ok || err != nil {
		t.Fatalf("/metrics has no %s: %v", name, err)
	}
	return v
}

func middle(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}
