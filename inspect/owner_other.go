//go:build !unix

package inspect

import "io/fs"

// ours takes the word of the system's own protection.
func ours(fs.FileInfo) bool { return true }
