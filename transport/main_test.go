package transport

import (
	"testing"

	"go.uber.org/goleak"
)

// fasthttp renders the Date header in a goroutine that never ends, and looks after
// idle workers in one that ends with its next look.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}
