// Package instances tests several instances of the built program around one real
// Redis: what happens to them together. It has tests only.
package instances
