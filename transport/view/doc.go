// Package view is what a consumer asked for: which events, what of them, on which
// wire and how often.
package view
