// Package probe reads what the kernel knows about processes and the machine.
package probe

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ProcessCPU returns the CPU time, user and system, that a process has used.
// The kernel's clock of the process has nanoseconds where /proc/PID/stat has
// hundredths of a second.
func ProcessCPU(pid int) (time.Duration, error) {
	return cpuClock(^pid<<3 | 2)
}

// ProcessesCPU is the sum of [ProcessCPU] over several.
func ProcessesCPU(pids []int) (sum time.Duration, err error) {
	for _, pid := range pids {
		cpu, err := ProcessCPU(pid)
		if err != nil {
			return 0, err
		}
		sum += cpu
	}
	return sum, nil
}

// ThreadCPU is like [ProcessCPU] for one thread of this process.
func ThreadCPU(tid int) (time.Duration, error) {
	return cpuClock(^tid<<3 | 4 | 2)
}

// cpuClock reads a clock named as in the kernel's posix-timers.h: the
// complement of the number, then what is counted.
func cpuClock(id int) (time.Duration, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(id), &ts); err != nil {
		return 0, fmt.Errorf("read a CPU clock: %w", err)
	}
	return time.Duration(ts.Nano()), nil
}

// Alive reports whether the process exists and is no zombie.
func Alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	// The state follows the name, which may itself hold parentheses.
	_, after, _ := bytes.Cut(b[bytes.LastIndexByte(b, ')'):], []byte(" "))
	return len(after) > 0 && after[0] != 'Z' && after[0] != 'X'
}

// Memory is in bytes.
type Memory struct {
	Resident   int64 `json:"resident"`    // of the processes
	TCPBuffers int64 `json:"tcp_buffers"` // of the machine, both ends of every connection
	Slab       int64 `json:"slab"`        // of the machine: sockets and files among much else
}

// Sub returns how much m is more than n.
func (m Memory) Sub(n Memory) Memory {
	return Memory{m.Resident - n.Resident, m.TCPBuffers - n.TCPBuffers, m.Slab - n.Slab}
}

// ReadMemory reads the memory of processes, in sum, and the kernel's.
func ReadMemory(pids []int) (m Memory, err error) {
	for _, pid := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return m, err
		}
		m.Resident += field(b, "VmRSS:") << 10
	}
	b, err := os.ReadFile("/proc/net/sockstat")
	if err != nil {
		return m, err
	}
	_, tcp, _ := bytes.Cut(b, []byte("TCP:"))
	tcp, _, _ = bytes.Cut(tcp, []byte("\n"))
	m.TCPBuffers = field(tcp, " mem") * int64(os.Getpagesize())
	if b, err = os.ReadFile("/proc/meminfo"); err != nil {
		return m, err
	}
	m.Slab = field(b, "Slab:") << 10
	return m, nil
}

// field returns the number that follows name, or 0.
func field(b []byte, name string) int64 {
	_, after, ok := bytes.Cut(b, []byte(name))
	words := bytes.Fields(after)
	if !ok || len(words) == 0 {
		return 0
	}
	v, _ := strconv.ParseInt(string(words[0]), 10, 64)
	return v
}

// Busy returns the CPU time that everything on the machine has used.
func Busy() (time.Duration, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(b), "\n")
	var ticks int64
	for i, word := range strings.Fields(line) {
		// user nice system idle iowait irq softirq steal; guest is in user.
		if i == 0 || i == 4 || i == 5 || i > 8 {
			continue
		}
		v, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/stat: %w", err)
		}
		ticks += v
	}
	const ticksPerSecond = 100 // USER_HZ, the same on every Linux platform Go runs on
	return time.Duration(ticks) * time.Second / ticksPerSecond, nil
}

// Machine describes where a figure was taken.
type Machine struct {
	Host   string `json:"host"`
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Memory int64  `json:"memory"`
	Kernel string `json:"kernel"`
}

// ReadMachine fills in what can be found out.
func ReadMachine(cores int) Machine {
	m := Machine{Cores: cores}
	m.Host, _ = os.Hostname()
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		_, after, _ := strings.Cut(string(b), "model name")
		line, _, _ := strings.Cut(after, "\n")
		m.CPU = strings.Trim(line, " \t:")
	}
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		m.Memory = field(b, "MemTotal:") << 10
	}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	return m
}
