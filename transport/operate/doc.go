// Package operate is for those who run the service: health, probes, metrics, the
// list of consumers, profiles.
package operate
