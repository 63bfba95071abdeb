// Package report holds what a run measured, and writes it as a table for
// people and as JSON for programs.
package report

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"event-dispatcher/bench/load/config"
	"event-dispatcher/bench/load/consumer"
	"event-dispatcher/bench/load/crowd"
	"event-dispatcher/bench/load/probe"
)

// Report is one run.
type Report struct {
	Label    string         `json:"label,omitempty"`
	Started  time.Time      `json:"started"`
	Go       string         `json:"go"`
	Machine  probe.Machine  `json:"machine"`
	Command  []string       `json:"command"`
	Config   *config.Config `json:"config"`
	Errors   []string       `json:"errors"` // why the run failed
	Partial  bool           `json:"partial"`
	Warnings []string       `json:"warnings"`
	// LowerBound says that the generator or the machine was the limit.
	LowerBound bool `json:"lower_bound"`

	// Seconds is the measured time; rates are over it.
	Seconds float64 `json:"seconds"`

	Posts      *Posts      `json:"posts,omitempty"`
	Deliveries *Deliveries `json:"deliveries,omitempty"`
	Ledger     *Ledger     `json:"ledger,omitempty"`
	// Crowd is the accounts of consumers with views.
	Crowd   []crowd.Account `json:"crowd,omitempty"`
	Sockets *Sockets        `json:"sockets,omitempty"`
	CPU     CPU             `json:"cpu"`
	Memory  Usage           `json:"memory"`
	Series  []Step          `json:"series"`
}

// Posts is the players' side.
type Posts struct {
	Rate      float64 `json:"per_second"` // accepted
	Published float64 `json:"published_per_second"`

	// Over the whole run.
	Accepted uint64         `json:"accepted"`
	Rejected uint64         `json:"rejected"`
	Unknown  uint64         `json:"unknown"` // reset on purpose, lost or never answered
	Unsent   uint64         `json:"unsent"`  // due, but not published
	Statuses map[int]uint64 `json:"statuses"`

	Latency Latency `json:"latency"` // intended time to answer
	Late    Latency `json:"late"`    // intended time to write, though a connection was free
}

// Deliveries is the consumers' side.
type Deliveries struct {
	Rate    float64        `json:"per_second"`
	Bytes   float64        `json:"bytes_per_second"`
	Joined  int64          `json:"joined"`
	Returns int64          `json:"returns"`
	Ended   map[string]int `json:"ended_by_server,omitempty"`
	Latency Latency        `json:"latency"` // intended time to receipt, sampled consumers
}

// Ledger balances all consumers.
type Ledger struct {
	Streams     int             `json:"streams"`
	Unread      int             `json:"unread"` // never read again, not balanced
	Sent        uint64          `json:"sent"`   // owed to all streams together
	Received    uint64          `json:"received"`
	Skipped     uint64          `json:"skipped"`
	Inferred    uint64          `json:"skipped_inferred"` // of these, from the length of notices that nobody read
	Unexplained uint64          `json:"unexplained"`
	Worst       uint64          `json:"unexplained_worst_stream"`
	Faults      consumer.Faults `json:"faults"`
	// SkippedBy divides Skipped among the kinds of consumers.
	SkippedBy map[string]uint64 `json:"skipped_by"`
}

// Sockets is the WebSockets that were held.
type Sockets struct {
	Opened   int   `json:"opened"`
	Ended    int64 `json:"ended_by_server"`
	Messages int64 `json:"messages"` // received
	Pings    int64 `json:"pings"`    // answered
}

// CPU is time in seconds per second of measuring, so cores.
type CPU struct {
	Server      float64 `json:"server_cores"`
	PerPost     float64 `json:"server_us_per_post"`
	PerDelivery float64 `json:"server_us_per_delivery"`
	Generator   float64 `json:"generator_cores"`
	BusyThread  float64 `json:"generator_busiest_thread"`
	Machine     float64 `json:"machine_cores"`
	Cores       int     `json:"cores"`
}

// Usage is memory in bytes.
type Usage struct {
	Baseline    probe.Memory `json:"baseline"`     // before anybody connected
	Joined      probe.Memory `json:"joined"`       // consumers there, no events yet
	Begin       probe.Memory `json:"begin"`        // measuring begins
	End         probe.Memory `json:"end"`          // measuring ends
	Peak        probe.Memory `json:"peak"`         // seen in any step
	PerConsumer probe.Memory `json:"per_consumer"` // or socket
}

// Step is one step of the time series, a quarter of a second.
type Step struct {
	At         float64 `json:"at"` // seconds since players began
	Posts      float64 `json:"posts_per_second"`
	Deliveries float64 `json:"deliveries_per_second"`
	ServerCPU  float64 `json:"server_cores"`
	Resident   int64   `json:"resident"`
	TCPBuffers int64   `json:"tcp_buffers"`
}

// Fail records why the run failed; joined errors one by one.
func (r *Report) Fail(err error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			r.Fail(e)
		}
		return
	}
	if err != nil {
		r.Errors = append(r.Errors, err.Error())
	}
}

// Warn records what the reader of the figures must know.
func (r *Report) Warn(format string, args ...any) {
	r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...))
}

// WriteJSON writes the report to a file.
func (r *Report) WriteJSON(name string) error {
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("encode the report: %w", err)
	}
	if err := os.WriteFile(name, append(b, '\n'), 0o644); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}
