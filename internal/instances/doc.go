// Package instances tests several instances of the built program around one real
// Redis: what befalls them together. It has tests only.
package instances
