package cc

import (
	"strings"
	"testing"
	"unsafe"
)

// Each controller bears the name that makes it, and a name that there is not is
// refused by an error that lists those that there are.
func TestNames(t *testing.T) {
	for _, name := range Names() {
		c, err := New(name, Params{MSS: 1448})
		if err != nil || c.Name() != name || Check(name) != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	c, err := New("", Params{MSS: 1448})
	if err != nil || c.Name() != Default {
		t.Errorf("no name: %v", err)
	}
	c, err = New("vegas", Params{MSS: 1448})
	if c != nil || err == nil || !strings.Contains(err.Error(), `"vegas"`) || !strings.Contains(err.Error(), strings.Join(Names(), ", ")) {
		t.Errorf("vegas: %v", err)
	}
	if Make("vegas", Params{MSS: 1448}).Name() != Default {
		t.Error("Make does not take the default")
	}
}

// What each connection's controller takes.
func TestSizes(t *testing.T) {
	for _, k := range []struct {
		name        string
		bytes, most uintptr
	}{
		{"reno", unsafe.Sizeof(reno{}), 24},
		{"cubic", unsafe.Sizeof(cubic{}), 96},
		{"dctcp", unsafe.Sizeof(dctcp{}), 48},
		{"bbr", unsafe.Sizeof(bbr{}), 512},
	} {
		if k.bytes > k.most {
			t.Errorf("%s takes %d bytes, at most %d", k.name, k.bytes, k.most)
		}
	}
}
