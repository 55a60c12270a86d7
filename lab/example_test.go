package lab_test

import (
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/lab"
	"github.com/handfast-tcp/handfast/lab/netem"
)

// A world built by hand: two hosts, half a second apart, and a program on each
// in ordinary blocking code.
func Example() {
	w := lab.NewWorld(1)
	for i, name := range []string{"earth", "moon"} {
		address := netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)})
		if err := w.AddHost(lab.HostConfig{Name: name, Address: address}); err != nil {
			fmt.Println(err)
		}
	}
	w.SetWire(lab.WireConfig{Config: netem.Config{Delay: 1280 * time.Millisecond}})
	w.Go("moon", "listens", func(p *lab.Proc) {
		l, _ := p.Listen(80, 1)
		c, _ := l.Accept(clock.Never)
		b := make([]byte, 100)
		n, _ := c.Read(b)
		fmt.Printf("%v moon hears %q\n", p.Now(), b[:n])
		c.Write([]byte("one small step"))
		c.Close()
	})
	w.Go("earth", "calls", func(p *lab.Proc) {
		c, err := p.Dial("moon", 80, 0)
		fmt.Println(p.Now(), "earth is connected:", err == nil)
		c.Write([]byte("hello"))
		b := make([]byte, 100)
		for n, err := c.Read(b); err != io.EOF; n, err = c.Read(b) {
			fmt.Printf("%v earth hears %q\n", p.Now(), b[:n])
		}
		c.Close()
	})
	fmt.Println("ended well:", w.Run(clock.Time(time.Hour)) == nil)
	// Output:
	// 3.56s earth is connected: true
	// 4.84s moon hears "hello"
	// 6.12s earth hears "one small step"
	// ended well: true
}

func ExampleFind() {
	s, err := lab.Find("connection-refused")
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := s.Run(lab.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.Summary)
	fmt.Print(r.Text())
	// Output:
	// Nobody listens on the port: the SYN is answered with a RST.
	//   0.000000 client connect server 80
	//   0.000000 client   CLOSED -> SYN-SENT: active open
	//   0.000000 client   -> #1 S 0:0(0) win 65535 <mss 1460,sackOK,TS,wscale 9>
	//   0.010000 server   <- #1 S 0:0(0) (dropped: no socket)
	//   0.010000 server   -> #2 R. 0:0(0) ack 1 win 0
	//   0.020000 client   <- #2 R. 0:0(0) ack 1
	//   0.020000 client   SYN-SENT -> CLOSED: connection refused
	//   0.020000 client   connect server 80: connection refused
}
