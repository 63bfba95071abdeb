// Package trial plays one run: it starts a server, points the load at it, and
// keeps everything that was seen in one record.
package trial

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"event-dispatcher/bench/load/report"
)

// Roles that a subject has in a scenario.
const (
	Ceiling = "ceiling"
	Product = "product"
	Rival   = "rival"
	Before  = "before" // an earlier build of the product
)

// Record is one run, as it is kept in results.
type Record struct {
	Scenario   string    `json:"scenario"`
	Subject    string    `json:"subject"`
	Role       string    `json:"role"`
	Order      int       `json:"order"` // in the scenario, from 1
	File       string    `json:"file"`  // relative to the directory of results
	Started    time.Time `json:"started"`
	Commit     string    `json:"commit"`
	Go         string    `json:"go"`
	Machine    string    `json:"machine"`
	LoadBefore string    `json:"load_average_before"`
	LoadAfter  string    `json:"load_average_after"`

	// Stolen is how many cores the host of a virtual machine kept for others
	// meanwhile: they explain what nothing else does.
	Stolen float64 `json:"stolen_cores"`

	Server ServerSide `json:"server"`
	// Beside are the server's companions, in the order of their start.
	Beside []*Companion `json:"beside,omitempty"`
	Load   LoadSide     `json:"load"`

	// Figures are computed from the rest; see package figures.
	Figures map[string]float64 `json:"figures"`
	// LowerBound says that the generator or the machine was the limit.
	LowerBound bool     `json:"lower_bound"`
	Errors     []string `json:"errors"`

	Report *report.Report `json:"report,omitempty"`
}

// ServerSide is what is known of the server.
type ServerSide struct {
	Command []string `json:"command"`
	Ended   string   `json:"ended"`
	Log     string   `json:"log"`
	// Scrapes of its metrics, if it is the product: one before the load, two in the
	// measured window, one after the load.
	Scrapes []Scrape `json:"scrapes,omitempty"`
}

// Companion is what is known of a process beside the server.
type Companion struct {
	Name string `json:"name"`
	ServerSide
}

// Scrape is the product's metrics at one instant.
type Scrape struct {
	When    string             `json:"when"`
	Metrics map[string]float64 `json:"metrics"`
}

// When scrapes are taken.
const (
	ScrapeBefore = "before"
	ScrapeEarly  = "early in the window"
	ScrapeLate   = "late in the window"
	ScrapeAfter  = "after"
)

// Scraped returns the metrics of an instant, nil if there are none.
func (s *ServerSide) Scraped(when string) map[string]float64 {
	for _, scrape := range s.Scrapes {
		if scrape.When == when {
			return scrape.Metrics
		}
	}
	return nil
}

// LoadSide is what is known of the generator, besides its report.
type LoadSide struct {
	Command []string `json:"command"`
	Exit    int      `json:"exit"`
	Output  string   `json:"output"`
}

// Failed reports whether anything went wrong.
func (r *Record) Failed() bool { return len(r.Errors) > 0 }

// Usable reports whether figures of the run may be compared: a run that was
// too slow may, one that ended early may not.
func (r *Record) Usable() bool { return r.Report == nil || !r.Report.Partial }

func (r *Record) fail(format string, args ...any) {
	r.Errors = append(r.Errors, fmt.Sprintf(format, args...))
}

// Write stores the record in its file under dir.
func (r *Record) Write(dir string) error {
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode a record: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, r.File), append(b, '\n'), 0o644); err != nil {
		return fmt.Errorf("write a record: %w", err)
	}
	return nil
}

// FileName makes the name of the raw file of a run.
func FileName(scenario string, order int, subject, extension string) string {
	name := strings.NewReplacer(", ", "-", " ", "-", "/", "-").Replace(subject)
	return fmt.Sprintf("raw/%s-%02d-%s.%s", scenario, order, name, extension)
}
