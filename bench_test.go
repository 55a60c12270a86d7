//go:build unix

package handfast_test

import (
	"fmt"
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// cpuSeconds is what the whole process has used so far, user and system.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
}

// offload is a pipe that carries super-segments whole.
var offload = pipe.Options{MaxGSO: 65535, ChecksumOffload: true}

// BenchmarkBulk streams over a pipe. CPU seconds per GB count both ends.
func BenchmarkBulk(b *testing.B) {
	for name, o := range map[string]pipe.Options{"mtu1500": {}, "gso64k": offload} {
		for _, streams := range []int{1, 8} {
			b.Run(fmt.Sprintf("%s/streams%d", name, streams), func(b *testing.B) { bulk(b, o, streams) })
		}
	}
}

func bulk(b *testing.B, o pipe.Options, streams int) {
	const chunk = 256 << 10
	from, to := newNet(b, handfast.Config{}, o)
	l := listen(b, to, serverIP+":80")
	done := make(chan int64)
	var clients []*handfast.TCPConn
	for range streams {
		client, server := connect(b, from, l)
		clients = append(clients, client)
		go func() {
			p := make([]byte, chunk)
			total := int64(0)
			for {
				n, err := server.Read(p)
				total += int64(n)
				if err != nil {
					server.Close()
					done <- total
					return
				}
			}
		}()
	}
	b.SetBytes(int64(streams) * chunk)
	b.ReportAllocs()
	b.ResetTimer()
	start := cpuSeconds()
	for _, c := range clients {
		go func() {
			p := make([]byte, chunk)
			for range b.N {
				if _, err := c.Write(p); err != nil {
					b.Error(err)
					break
				}
			}
			c.CloseWrite()
			io.Copy(io.Discard, c)
			c.Close()
		}()
	}
	total := int64(0)
	for range streams {
		total += <-done
	}
	b.StopTimer()
	if want := int64(b.N) * chunk * int64(streams); total != want {
		b.Fatalf("%d bytes came of %d", total, want)
	}
	b.ReportMetric((cpuSeconds()-start)*1e9/float64(total), "cpu-s/GB")
}

// BenchmarkPingPong sends one byte to and fro.
func BenchmarkPingPong(b *testing.B) {
	client, server := newConns(b, handfast.Config{}, pipe.Options{})
	go func() {
		p := make([]byte, 1)
		for {
			if _, err := server.Read(p); err != nil {
				return
			}
			server.Write(p)
		}
	}()
	p := make([]byte, 1)
	b.ReportAllocs()
	for b.Loop() {
		client.Write(p)
		if _, err := client.Read(p); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkConnect connects, sends a byte each way and closes, 64 at a time.
func BenchmarkConnect(b *testing.B) {
	for _, parallel := range []int{1, 32} {
		b.Run(fmt.Sprintf("parallel%d", 2*parallel), func(b *testing.B) { connects(b, parallel) })
	}
}

func connects(b *testing.B, parallel int) {
	// Ports come back at once: this is about connections, not about waiting.
	from, to := newNet(b, handfast.Config{TCP: tcp.Config{MSL: 20 * time.Millisecond}}, pipe.Options{})
	l := listen(b, to, serverIP+":80")
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				p := make([]byte, 1)
				c.Read(p)
				c.Write(p)
				c.Read(p)
				c.Close()
			}()
		}
	}()
	b.ReportAllocs()
	b.SetParallelism(parallel)
	start := cpuSeconds()
	b.RunParallel(func(pb *testing.PB) {
		p := make([]byte, 1)
		for pb.Next() {
			c, err := from.Dial("tcp", serverIP+":80")
			if err != nil {
				b.Error(err)
				return
			}
			c.Write(p)
			if _, err := c.Read(p); err != nil {
				b.Error(err)
			}
			c.Close()
		}
	})
	b.ReportMetric((cpuSeconds()-start)*1e6/float64(b.N), "cpu-us/conn")
}
