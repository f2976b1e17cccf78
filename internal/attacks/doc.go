// Package attacks is a test for each row of docs/defences.md: what strangers can do to a node, done to a real one. Nodes are
// stepped: their datagrams and their time are the test's.
//
// Under -short the long rows are shorter, by ten or more; what they assert stays the same.
package attacks
