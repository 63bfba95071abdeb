// Package documents holds the documents to what is there: their links lead somewhere,
// and the files, targets and benchmarks that they name exist. What the commands in
// them do is tested in e2e.
package documents
