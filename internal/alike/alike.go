// Package alike tells tests how they were compiled, so that what they compile is made alike: the build cache has most of
// what it needs then.
package alike

import "fmt"

// Race returns the flag of the Go command that says whether the race detector is in what it makes, as in this program.
func Race() string { return fmt.Sprintf("-race=%v", Raced) }
