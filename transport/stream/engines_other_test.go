//go:build !linux

package stream

import "testing"

func freeze(e engine) (thaw func()) { return freezePortable(e) }
func draining(e engine) bool        { return drainingPortable(e) }
func silent(e engine) bool          { return silentPortable(e) }

func descriptors(*testing.T) int { return 0 } // nobody counts them here
