package stream

import (
	"bytes"
	"fmt"
	"io"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/link"
)

// readBuffer holds at least one frame with its length, and of usual ones a good batch.
const readBuffer = 128 << 10

// receiver is the reading half of a link. One goroutine uses it.
type receiver struct {
	link     *Link
	framing  Framing
	machine  link.HardwareAddr // what Hyperkit's handshake gives away
	messages messageReader
	begun    bool // of HyperkitBare: what may come before the first frame is over

	memory     []byte
	start, end int // of what has come and was not taken yet
}

func (r *receiver) init(l *Link, o Options, first []byte) {
	r.link, r.framing, r.machine = l, o.Framing, o.MachineAddr
	r.memory = make([]byte, readBuffer)
	r.end = copy(r.memory, first)
	r.messages.init(l.conn)
}

func (r *receiver) read(batch []*buf.Packet) (int, error) {
	switch r.framing {
	case Message:
		return r.readMessages(batch)
	case Hyperkit, Detect:
		if err := r.begin(); err != nil {
			return 0, err
		}
	}
	if r.framing == HyperkitBare && !r.begun {
		if err := r.skipRequest(); err != nil {
			return 0, err
		}
	}
	for {
		n, err := r.cut(batch)
		if n > 0 || err != nil {
			return n, err
		}
		if err := r.fill(); err != nil {
			return 0, err
		}
	}
}

// begin finds out which framing it is, and shakes hands. Both say it with their first four
// bytes: hyperkit's greeting would be a frame longer than any, if it were a length.
func (r *receiver) begin() error {
	for r.framing == Detect && r.end < maxHeader {
		if err := r.fill(); err != nil {
			return err
		}
	}
	if r.framing == Detect && string(r.memory[:maxHeader]) != hyperkitMagic[:maxHeader] {
		r.framing = QEMU
	} else {
		if _, err := AcceptHyperkit(prefixed{r}, r.link.attributes.MTU, r.machine); err != nil {
			return err
		}
		r.framing = HyperkitBare
	}
	r.link.out.open(r.framing)
	return nil
}

// gvproxyRequest begins what gvforwarder sends first on a Unix socket: an HTTP request
// that gvproxy does not answer. As a frame's length it would be one of 20304 bytes.
const gvproxyRequest = "POST /connect "

// maxRequest is how long that request may be.
const maxRequest = 4096

// skipRequest waits for the first bytes, and skips gvforwarder's request.
func (r *receiver) skipRequest() error {
	for {
		have := r.memory[r.start:r.end]
		n := min(len(have), len(gvproxyRequest))
		end := bytes.Index(have, []byte("\r\n\r\n"))
		switch {
		case n > 0 && string(have[:n]) != gvproxyRequest[:n]:
			r.begun = true
			return nil
		case end >= 0:
			r.start += end + 4
			r.begun = true
			return nil
		case len(have) > maxRequest:
			return fmt.Errorf("its HTTP request has more than %d bytes", maxRequest)
		}
		if err := r.fill(); err != nil {
			return err
		}
	}
}

// prefixed is the connection, with what has come already in front.
type prefixed struct{ *receiver }

func (p prefixed) Read(b []byte) (n int, err error) {
	if p.start == p.end {
		return p.link.conn.Read(b)
	}
	n = copy(b, p.memory[p.start:p.end])
	p.start += n
	return n, nil
}

func (p prefixed) Write(b []byte) (int, error) { return p.link.conn.Write(b) }

// cut takes the frames that are complete, as many as fit into batch. What comes
// before an error is still taken: the next call finds the error again.
func (r *receiver) cut(batch []*buf.Packet) (n int, err error) {
	header := r.framing.headerSize()
	for n < len(batch) && r.end-r.start >= header {
		size, err := r.framing.frameSize(r.memory[r.start:r.end])
		if err != nil && n == 0 {
			return 0, fmt.Errorf("what comes is no frame: %w", err)
		}
		if err != nil || r.end-r.start < header+size {
			break
		}
		n += r.take(r.memory[r.start+header:][:size], batch[n:])
		r.start += header + size
	}
	return n, nil
}

// take puts a frame into batch, unless it is too short to be one. A copy in a block of
// the right size does not hold memory for the frames around it.
func (r *receiver) take(frame []byte, batch []*buf.Packet) int {
	if len(frame) < ethernetHeader {
		r.link.drops.Read.Add(1)
		return 0
	}
	p := buf.NewPacket()
	p.Data = p.ReceiveInto(blockStart + len(frame))[blockStart:][:len(frame)]
	copy(p.Data, frame)
	p.L3 = ethernetHeader
	batch[0] = p
	return 1
}

// blockStart is where a frame starts in its block, so that the IP header lies at a
// multiple of 8.
const blockStart = 2

// fill reads once from the connection.
func (r *receiver) fill() error {
	if r.start == r.end {
		r.start, r.end = 0, 0
	} else if r.start > 0 && len(r.memory)-r.end < maxHeader+MaxFrame {
		// Only when the largest frame would no longer fit: so it is seldom moved.
		r.end = copy(r.memory, r.memory[r.start:r.end])
		r.start = 0
	}
	n, err := r.link.conn.Read(r.memory[r.end:])
	r.end += n
	switch {
	case n > 0:
		return nil
	case err == io.EOF && r.start < r.end:
		return fmt.Errorf("it ended in the middle of a frame: %w", io.ErrUnexpectedEOF)
	case err == nil:
		return io.ErrNoProgress
	}
	return err
}

// readMessages takes the messages that are there, and waits for the first one.
func (r *receiver) readMessages(batch []*buf.Packet) (n int, err error) {
	if r.end > 0 { // came before there was a link
		n, r.end = r.take(r.memory[:r.end], batch), 0
	}
	for n < len(batch) {
		size, err := r.messages.read(r.memory, n == 0)
		switch {
		case err == errNoneNow:
			return n, nil
		case err != nil && n > 0:
			return n, nil // the next call finds it again
		case err != nil:
			return 0, err
		case size > MaxFrame:
			r.link.drops.Read.Add(1)
		default:
			n += r.take(r.memory[:size], batch[n:])
		}
	}
	return n, nil
}
