package handfast

import (
	"testing"
	"unsafe"
)

// An idle connection is to cost little beyond the engine's own state.
func TestConnIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(TCPConn{}); n > 96 {
		t.Errorf("a TCPConn has %d bytes", n)
	}
}
