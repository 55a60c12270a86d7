package stream

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// Listener waits for machines on a socket.
type Listener struct {
	network, address string
	options          Options
	streams          net.Listener // of tcp, unix and unixpacket

	datagrams *datagrams // of unixgram
}

// Listen makes a socket for machines: network is unix or tcp, where o.Framing counts;
// unixgram, for one machine at a time, or unixpacket, where it is Message. A socket
// in the file system that nobody listens on any more is replaced. An error says what
// to do about it.
func Listen(network, address string, o Options) (*Listener, error) {
	l := &Listener{network: network, address: address}
	switch network {
	case "tcp", "unix":
	case "unixgram", "unixpacket":
		o.Framing = Message
	default:
		return nil, fmt.Errorf("stream: network %q: it is unix, unixgram, unixpacket or tcp", network)
	}
	l.options = o
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	if network != "tcp" {
		if err := clearPath(network, address); err != nil {
			return nil, err
		}
	}
	err := l.open()
	if err != nil {
		return nil, fmt.Errorf("stream: listen on %s %s: %w", network, address, err)
	}
	return l, nil
}

func (l *Listener) open() (err error) {
	if l.network == "unixgram" {
		l.datagrams, err = listenDatagrams(l.address)
		return err
	}
	l.streams, err = net.Listen(l.network, l.address)
	return err
}

// maxPath is how long the name of a socket may be; Linux's limit. Others have 104.
const maxPath = 107

// clearPath removes a socket that a program has left, and says why nothing can be
// there.
func clearPath(network, path string) error {
	if path == "" || len(path) > maxPath {
		return fmt.Errorf("stream: %q is no name of a socket: it may have 1 to %d bytes; choose a shorter one, in /tmp or $XDG_RUNTIME_DIR", path, maxPath)
	}
	if dir := filepath.Dir(path); path[0] != '@' {
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("stream: there is no directory %s for the socket: make it first", dir)
		}
	}
	info, err := os.Lstat(path)
	switch {
	case err != nil: // nothing is there, or listening says what is wrong
		return nil
	case info.Mode()&fs.ModeSocket == 0:
		return fmt.Errorf("stream: %s exists and is no socket: choose another name", path)
	}
	c, err := net.Dial(network, path)
	if err == nil {
		c.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("stream: a program listens on %s already: stop it, or choose another name", path)
	}
	return os.Remove(path)
}

// Addr is where the listener listens.
func (l *Listener) Addr() net.Addr {
	if l.streams != nil {
		return l.streams.Addr()
	}
	return &net.UnixAddr{Name: l.address, Net: l.network}
}

// Accept waits for a machine and returns the link to it; after Close it returns
// net.ErrClosed. On unixgram it waits until the machine before has gone: its link must
// have been closed or have failed.
func (l *Listener) Accept() (*Link, error) {
	if l.datagrams != nil {
		return l.datagrams.accept(l.options)
	}
	c, err := l.streams.Accept()
	if err != nil {
		return nil, err
	}
	link, err := New(c, l.options)
	if err != nil {
		c.Close()
	}
	return link, err
}

// Close ends Accept, and removes the socket. Links go on.
func (l *Listener) Close() error {
	if l.datagrams != nil {
		l.datagrams.close()
		return nil
	}
	return l.streams.Close()
}
