// Package process is what the program has to do with the system that it runs on:
// listeners, log lines, processors and memory, its version, the probe of a running instance.
package process
