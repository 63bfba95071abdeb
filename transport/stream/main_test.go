package stream

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

// Most tests wait for clocks and sockets, so more of them run at once than there
// are processors.
func TestMain(m *testing.M) {
	flag.Parse()
	flag.Set("test.parallel", "8")
	goleak.VerifyTestMain(m)
}
