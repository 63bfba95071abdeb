// Package proxies tests the built program behind real proxies, nginx and haproxy,
// with the configurations that docs/operations.md shows. It has tests only.
package proxies
