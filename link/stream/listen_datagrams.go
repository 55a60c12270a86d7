package stream

import (
	"fmt"
	"net"
	"os"
	"sync"
)

// vfkitGreeting is the first datagram of older vfkits. It is no frame.
const vfkitGreeting = "VFKT"

// datagrams is a socket that one machine at a time has. When the machine has gone
// there is a new one in its place: a socket that is connected takes nothing from others.
type datagrams struct {
	address string
	free    chan *net.UnixConn // holds the socket on which nobody has spoken yet

	mu     sync.Mutex
	socket *net.UnixConn // the latest
	given  bool          // a link has it
	closed bool
	err    error // why there is no new one
}

func listenDatagrams(address string) (*datagrams, error) {
	d := &datagrams{address: address, free: make(chan *net.UnixConn, 1)}
	d.open()
	return d, d.err
}

// open makes the socket, and has Accept use it.
func (d *datagrams) open() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.given = false
	if d.closed {
		return
	}
	os.Remove(d.address) // of the machine before
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: d.address, Net: "unixgram"})
	if err != nil {
		d.err = err
		close(d.free)
		return
	}
	d.socket = c
	d.free <- c
}

// accept makes a link of the socket when a first datagram comes.
func (d *datagrams) accept(o Options) (*Link, error) {
	c, ok := <-d.free
	if !ok {
		return nil, d.failure()
	}
	memory := make([]byte, MaxFrame+1)
	for {
		n, from, err := c.ReadFromUnix(memory)
		if err != nil {
			return nil, err
		}
		if from == nil || from.Name == "" || n > MaxFrame {
			continue // it has no name where answers could go
		}
		if err := connect(c, from.Name); err != nil {
			continue // it has gone already
		}
		first := memory[:n]
		if string(first) == vfkitGreeting {
			first = nil
		}
		d.mu.Lock()
		d.given = true
		d.mu.Unlock()
		return newLink(c, o, first, d.open)
	}
}

func (d *datagrams) failure() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return net.ErrClosed
	}
	return fmt.Errorf("stream: listen on unixgram %s again: %w", d.address, d.err)
}

// close ends accept. A socket that a machine has goes on without a name.
func (d *datagrams) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	d.closed = true
	if d.err == nil {
		close(d.free)
		os.Remove(d.address)
	}
	if d.socket != nil && !d.given {
		d.socket.Close() // which accept may be reading
	}
}
