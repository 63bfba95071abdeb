// Package encrypted measures the built program over TLS beside plain, in turn.
package encrypted
