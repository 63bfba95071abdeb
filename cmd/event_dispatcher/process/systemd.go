package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
)

// inherited returns the listeners that systemd opened for this process: those of a
// socket that is called admin (FileDescriptorName=) are the operators'. Nothing, if it
// opened none.
func inherited() (public []net.Listener, admin net.Listener, err error) {
	byName, err := activation.ListenersWithNames()
	if err != nil {
		return nil, nil, fmt.Errorf("listeners of systemd: %w", err)
	}
	for name, lns := range byName {
		for _, ln := range lns {
			switch {
			case ln == nil:
				return nil, nil, errors.New("listeners of systemd: one is no stream socket")
			case ln.Addr().Network() != "tcp": // peers without addresses would be one client to all limits
				return nil, nil, fmt.Errorf("listeners of systemd: %s is no TCP socket", ln.Addr())
			case name == "admin" && admin == nil:
				admin = ln
			default:
				public = append(public, ln)
			}
		}
	}
	return public, admin, nil
}

// Ready tells systemd that the service serves. From then on it tells as often as a
// watchdog wants, until ctx is done, that the service moves; while it does not move it
// says nothing, and systemd restarts it. Without systemd nothing happens.
func Ready(ctx context.Context, moves func() bool) {
	_, _ = daemon.SdNotify(false, daemon.SdNotifyReady) // a supervisor that is gone needs no news
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil || every <= 0 {
		return
	}
	go func() {
		tick := time.NewTicker(every / 3)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if moves() {
					_, _ = daemon.SdNotify(false, daemon.SdNotifyWatchdog)
				}
			}
		}
	}()
}

// Stopping tells systemd that the service ends.
func Stopping() { _, _ = daemon.SdNotify(false, daemon.SdNotifyStopping) }
