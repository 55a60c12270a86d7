//go:build race

package alike

// Raced says whether the race detector is in this program.
const Raced = true
