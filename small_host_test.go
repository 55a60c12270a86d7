package handfast_test

import (
	"net/netip"
	"runtime"
	"testing"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// heap returns how many bytes live objects take.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what pools hold outlives the first one
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// smallHost is a host on a link that listens for TCP and UDP and has no peer yet.
func smallHost(t *testing.T) *handfast.Host {
	end, _ := pipe.New(pipe.Options{})
	h, err := handfast.New(handfast.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Attach(end, handfast.LinkOptions{Addresses: []netip.Prefix{netip.MustParsePrefix(serverIP + "/24")}}); err != nil {
		t.Fatal(err)
	}
	listen(t, h, ":80")
	listenPacket(t, h, ":53")
	return h
}

// A program may have a thousand hosts, on any number of cores: one takes some
// kilobytes, its goroutine's stack and its link's queues among them, and gives them
// back.
func TestSmallHost(t *testing.T) {
	const hosts = 1000
	for procs, most := range map[int]int64{2: 40 << 10, 16: 100 << 10} {
		func() {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			smallHost(t).Close() // what is made once in a process
			before, goroutines := heap(), runtime.NumGoroutine()
			all := make([]*handfast.Host, hosts)
			for i := range all {
				all[i] = smallHost(t)
			}
			if took := (heap() - before) / hosts; took > most {
				t.Errorf("with %d cores a host takes %d bytes", procs, took)
			} else {
				t.Logf("with %d cores a host takes %d bytes", procs, took)
			}
			for _, h := range all {
				h.Close()
			}
			clear(all)
			wantGoroutines(t, goroutines)
			if left := heap() - before; left > hosts*4<<10 { // the runtime keeps what goroutines were
				t.Errorf("with %d cores %d hosts leave %d bytes behind", procs, hosts, left)
			}
		}()
	}
}
