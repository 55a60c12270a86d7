// Package book writes the book of scenarios: a page for each story, in two languages,
// with its picture, why each thing happens, what to try, and where it is written.
package book
