// Package operate is for those who run the service: health, probes, metrics, the
// list of consumers, profiles, and the console, a page that shows what is going on.
// The console asks Figures once a second and reads the same streams as everybody.
package operate
