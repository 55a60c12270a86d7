package handfast_test

import (
	"runtime"
	"testing"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/internal/alike"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// A goroutine that serves a connection, as most do, gets on with its first stack: 2 KiB. To grow it
// is a tenth of what a short connection costs, and what has grown stays with each idle one.
func TestFirstStackIsEnough(t *testing.T) {
	if alike.Raced {
		t.Skip("with the race detector all frames are larger")
	}
	const conns = 400
	from, to := newNet(t, handfast.Config{}, pipe.Options{})
	l := listen(t, to, serverIP+":80")
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				p := make([]byte, 512)
				for {
					n, err := c.Read(p)
					if err != nil {
						return
					}
					c.Write(p[:n])
				}
			}()
		}
	}()
	stacks := func() int64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.StackInuse)
	}
	before := stacks()
	for range conns {
		c, err := from.Dial("tcp", serverIP+":80")
		if err != nil {
			t.Fatal(err)
		}
		p := make([]byte, 512)
		c.Write(p[:100])
		if _, err := c.Read(p); err != nil {
			t.Fatal(err)
		}
	}
	if each := (stacks() - before) / conns; each > 3<<10 {
		t.Errorf("a goroutine's stack takes %d bytes", each)
	}
}
