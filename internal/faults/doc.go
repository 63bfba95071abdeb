// Package faults has the table of the faults that the service is held to survive, and
// the tests of those that need the whole built program: crowds, networks that end,
// limits of the system. The other rows name tests of other packages.
//
// Tests inject a small fault of each kind. With FAULTS=full, as "make faults" runs
// them, they inject the whole one, and their figures go into docs/faults.md.
package faults
