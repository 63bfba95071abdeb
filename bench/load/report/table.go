package report

import (
	"fmt"
	"io"
	"strings"
)

// WriteTable writes the report for people.
func (r *Report) WriteTable(w io.Writer) {
	t := table{w}
	c := r.Config
	t.row("run", "%s  %s  %s", strings.TrimSpace(r.Label+" "+c.URL), r.Started.Format("2006-01-02 15:04:05"), r.Go)
	t.row("machine", "%s, %d cores, %s, Linux %s", r.Machine.CPU, r.Machine.Cores, size(r.Machine.Memory), r.Machine.Kernel)
	shape := fmt.Sprintf("%d B", c.Size)
	if c.Sessions {
		shape = "sessions"
	}
	t.row("load", "%d players x %d, rate %s/s, %s; %d consumers; measured %.1f s", c.Conns, c.Pipeline, &c.Rate, shape, c.Consumers, r.Seconds)
	if p := r.Posts; p != nil {
		t.row("POST", "%.0f/s  (run: %d accepted, %d rejected, %d unknown, %d not published)", p.Rate, p.Accepted, p.Rejected, p.Unknown, p.Unsent)
		t.latency("POST latency", p.Latency)
		if !c.Rate.Max {
			t.latency("published late", p.Late)
		}
	}
	if d := r.Deliveries; d != nil && r.Posts != nil && c.Consumers > 0 {
		t.row("deliveries", "%.0f/s  %s/s", d.Rate, size(int64(d.Bytes)))
		t.latency("publish to receipt", d.Latency)
		if d.Returns > 0 || len(d.Ended) > 0 {
			t.row("streams", "%d left and came back; ended by the server: %v", d.Returns, d.Ended)
		}
	}
	if s := r.Sockets; s != nil {
		t.row("sockets", "%d held, %d ended by the server; %d messages received, %d pings answered", s.Opened, s.Ended, s.Messages, s.Pings)
	}
	if l := r.Ledger; l != nil && r.Posts != nil {
		t.row("ledger", "sent %d = received %d + skipped %d; unexplained %d (%d streams)", l.Sent, l.Received, l.Skipped, l.Unexplained, l.Streams)
	}
	for _, a := range r.Crowd {
		t.row("crowd", "%s: published %d = received %d + skipped %d + passed over %d; unexplained %d, doubled %d (%d returns, %d repeated)",
			a.Spec, a.Published, a.Received, a.Skipped, a.PassedOver, a.Unexplained, a.Doubled, a.Returns, a.Repeated)
	}
	if cpu := r.CPU; len(c.PIDs) > 0 {
		t.row("server CPU", "%.2f cores; %.2f us per POST, %.3f us per delivery", cpu.Server, cpu.PerPost, cpu.PerDelivery)
	}
	t.row("generator CPU", "%.2f cores, busiest thread %.2f; machine %.2f of %d", r.CPU.Generator, r.CPU.BusyThread, r.CPU.Machine, r.CPU.Cores)
	m := r.Memory
	if len(c.PIDs) > 0 {
		t.row("server memory", "%s before, %s joined, %s begin, %s end, %s peak", size(m.Baseline.Resident), size(m.Joined.Resident), size(m.Begin.Resident), size(m.End.Resident), size(m.Peak.Resident))
		if c.Consumers+c.Sockets > 0 {
			t.row("per listener", "%d B resident; kernel, both ends: %d B TCP buffers, %d B slab", m.PerConsumer.Resident, m.PerConsumer.TCPBuffers, m.PerConsumer.Slab)
		}
	}
	t.row("kernel memory", "TCP buffers %s joined, %s end, %s peak", size(m.Joined.TCPBuffers), size(m.End.TCPBuffers), size(m.Peak.TCPBuffers))
	for _, s := range r.Warnings {
		t.row("note", "%s", s)
	}
	for _, s := range r.Errors {
		t.row("FAILED", "%s", s)
	}
}

type table struct{ w io.Writer }

func (t table) row(name, format string, args ...any) {
	fmt.Fprintf(t.w, "%-19s %s\n", name, fmt.Sprintf(format, args...))
}

func (t table) latency(name string, l Latency) {
	if l.Count == 0 {
		t.row(name, "nothing measured")
		return
	}
	t.row(name, "ms p50 %.3f  p90 %.3f  p99 %.3f  p99.9 %.3f  max %.3f  (%d)", l.P50/1000, l.P90/1000, l.P99/1000, l.P999/1000, l.Max/1000, l.Count)
}

// size writes bytes with a binary unit.
func size(n int64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 10<<20:
		return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20))
	case n >= 10<<10:
		return fmt.Sprintf("%.0f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}
