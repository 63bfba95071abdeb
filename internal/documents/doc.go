// Package documents holds the documents to what is there: their links lead somewhere,
// the files, targets and benchmarks that they name exist, and every flag and metric has
// its row. What the commands in them do is tested in e2e.
package documents
