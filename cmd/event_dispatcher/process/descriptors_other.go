//go:build !unix

package process

// Descriptors is how many descriptors the process may have; ok is false if the
// system does not say.
func Descriptors() (limit int, ok bool) { return 0, false }
