// Package house holds nothing but tests, of the repository as a whole: which package may import which,
// what lies at the top level, what every public package brings along.
package house
