// Package top shows in a terminal what the connections of hosts do, moment by
// moment: who is fast, who is slow, what is sent again, how the half-open queue
// fills and what the flood detector says; and one connection from near, as a
// ladder, in the state diagram, and in numbers.
//
// A Model is pure: looks and keys go in, and View returns a frame. Run joins it
// to a terminal, Once prints one frame.
//
// The files: model.go is what is remembered and what keys do, view.go the frame,
// table.go the connections, head.go what stands above them, open.go one
// connection; paint.go has the colours, words.go the words, and run.go the
// terminal.
package top
