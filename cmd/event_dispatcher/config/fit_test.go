package config

import (
	"errors"
	"io"
	"strings"
	"testing"
)

func TestDefaultsFitTheSystem(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for _, tt := range []struct {
		name                string
		args                string
		memory, descriptors int
		ring, bodies        int
		notes               []string // how they begin
		usage               bool
	}{
		{"no limits", "", 0, 0, 64 * mib, 32 * mib, nil, false},
		{"large limits", "", 1 << 30, 1 << 20, 64 * mib, 32 * mib, nil, false},
		{"64 MiB", "", 64 * mib, 0, 16 * mib, 8 * mib, []string{"-ring-bytes is 16777216 instead of 67108864", "-bodies-bytes is 8388608", "-lag-bytes is 8388608", "-session-bytes is 8388608", "-socket-bytes is 4194304"}, false},
		{"64 MiB, a ring that fits", "-ring-bytes 20000000", 64 * mib, 0, 20_000_000, 8 * mib, []string{"-bodies-bytes", "-lag-bytes", "-session-bytes", "-socket-bytes"}, false},
		{"64 MiB, a ring that does not", "-ring-bytes 67108864", 64 * mib, 0, 0, 0, nil, true},
		{"few descriptors", "", 0, 1024, 64 * mib, 32 * mib, []string{"the system allows 1024 descriptors"}, false},
		{"few descriptors, one cap chosen", "-max-consumers 100", 0, 1024, 64 * mib, 32 * mib, []string{"the system allows 1024 descriptors"}, false},
		{"few descriptors, all caps chosen", "-max-consumers 1000 -max-connections 1 -max-sockets 1", 0, 1024, 64 * mib, 32 * mib, []string{"-max-consumers, -max-connections and -max-sockets may need 2066"}, false},
		{"hardly any descriptor", "", 0, 20, 64 * mib, 32 * mib, []string{"-max-consumers, -max-connections and -max-sockets may need"}, false},
	} {
		c, err := Parse(strings.Fields(tt.args), func(string) string { return "" }, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		notes, err := c.Fit(tt.memory, tt.descriptors)
		if tt.usage {
			if !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), "memory limit") {
				t.Errorf("%s: Fit() = %v; want an error of usage about the memory limit", tt.name, err)
			}
			continue
		}
		if err != nil || c.Broker.Bytes != tt.ring || c.Transport.BodiesBytes != tt.bodies || len(notes) != len(tt.notes) {
			t.Errorf("%s: Fit() = %q, %v, ring %d, bodies %d; want %q, nil, %d, %d", tt.name, notes, err, c.Broker.Bytes, c.Transport.BodiesBytes, tt.notes, tt.ring, tt.bodies)
			continue
		}
		for i, n := range notes {
			if !strings.HasPrefix(n, tt.notes[i]) {
				t.Errorf("%s: note %q; want %q", tt.name, n, tt.notes[i])
			}
			if strings.HasPrefix(n, "the system allows") && c.Descriptors() > tt.descriptors {
				t.Errorf("%s: %d descriptors may be needed; want at most %d", tt.name, c.Descriptors(), tt.descriptors)
			}
		}
		if tt.args == "-max-consumers 100" && c.Streams.MaxConsumers != 100 {
			t.Errorf("%s: -max-consumers is %d; want 100, as given", tt.name, c.Streams.MaxConsumers)
		}
	}
}
