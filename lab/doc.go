// Package lab is a world of hosts and wires in virtual time: the engine that
// serves real connections, on both ends of wires that lose, delay and double
// packets as told.
package lab
