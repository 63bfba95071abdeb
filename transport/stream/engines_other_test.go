//go:build !linux

package stream

import (
	"net"
	"testing"
)

func dialer(int) *net.Dialer { return &net.Dialer{} }

func freeze(e engine) (thaw func()) { return freezePortable(e) }
func draining(e engine) bool        { return drainingPortable(e) }
func silent(e engine) bool          { return silentPortable(e) }

func descriptors(*testing.T) int { return 0 } // nobody counts them here

func (*rig) awaitForgotten(int) {} // goroutines of consumers follow no shards together
