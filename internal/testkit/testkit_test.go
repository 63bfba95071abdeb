package testkit

import (
	"errors"
	"io"
	"net"
	"slices"
	"syscall"
	"testing"
)

// verdict notes how a test was ended.
type verdict struct {
	testing.TB
	skipped, failed bool
}

func (v *verdict) Helper()      {}
func (v *verdict) Skip(...any)  { v.skipped = true }
func (v *verdict) Fatal(...any) { v.failed = true }

func TestWhatIsMissingFailsOnlyWhereEverythingMustRun(t *testing.T) {
	for _, tt := range []struct {
		ci, command     string
		skipped, failed bool
	}{
		{"", "go", false, false},
		{"1", "go", false, false},
		{"", "a-command-that-nobody-has", true, false},
		{"1", "a-command-that-nobody-has", false, true},
	} {
		t.Setenv("CI", tt.ci)
		v := &verdict{TB: t}
		Need(v, tt.command)
		if v.skipped != tt.skipped || v.failed != tt.failed {
			t.Errorf("CI=%q Need(%q): skipped %v, failed %v; want %v, %v", tt.ci, tt.command, v.skipped, v.failed, tt.skipped, tt.failed)
		}
	}
}

func TestOutputIsReadWhileItGrows(t *testing.T) {
	var o Output
	io.WriteString(&o, "no JSON\n{\"msg\":\"listening\",\"address\":\"a:1\"}\n{\"msg\":\"other\",\"address\":\"b:1\"}\n{\"msg\":\"listening\",\"address\":\"c:1\"}")
	if got := o.Addresses("listening"); !slices.Equal(got, []string{"a:1"}) {
		t.Errorf("Addresses(listening) = %q; want [a:1]: the last line is not whole", got)
	}
	io.WriteString(&o, "\n")
	if got := o.Addresses("listening"); !slices.Equal(got, []string{"a:1", "c:1"}) {
		t.Errorf("Addresses(listening) = %q; want [a:1 c:1]", got)
	}
}

func TestResetIsNoCleanEnd(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if err := Reset(client); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the peer reads %v; want a reset", err)
	}
}
