// Package program builds the event dispatcher and runs it for the length of a
// test, on ports that the system chooses and its log tells. Tests of the built
// program start it here.
package program
