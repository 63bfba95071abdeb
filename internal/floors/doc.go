// Package floors has tests that hold every package of the module to its floor, and
// to its package comment.
package floors
