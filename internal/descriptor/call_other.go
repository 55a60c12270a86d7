//go:build !unix

package descriptor

// Works says that there are Read and Write.
const Works = false

// Read needs a descriptor, which there is not.
func Read(uintptr, []byte) (int, error) { return 0, ErrNoSocket }

// Write needs a descriptor, which there is not.
func Write(uintptr, []byte) (int, error) { return 0, ErrNoSocket }
