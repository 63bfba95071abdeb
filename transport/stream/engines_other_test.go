//go:build !linux

package stream

func freeze(e engine) (thaw func()) { return freezePortable(e) }
func draining(e engine) bool        { return drainingPortable(e) }
func silent(e engine) bool          { return silentPortable(e) }
