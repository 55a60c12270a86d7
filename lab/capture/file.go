package capture

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/handfast-tcp/handfast/engine/clock"
)

const (
	// MaxPacket is the longest packet that is read, in bytes. The longest that captures
	// hold are super-segments, of up to half a megabyte.
	MaxPacket = 1 << 20
	// maxBlock is the longest block of a pcapng file: a packet with its comments.
	maxBlock = MaxPacket + 1<<18
	// maxInterfaces is how many interfaces a section of a pcapng file may have.
	maxInterfaces = 1 << 16
)

// ErrFormat is wrapped by the errors of files that are no captures.
var ErrFormat = errors.New("not a capture file")

// Packet is one record of a capture file.
type Packet struct {
	Number    int        // 1, 2, 3 …, as Wireshark counts
	Time      clock.Time // since 1970
	Link      LinkType
	Interface int
	Data      []byte // as captured: valid until the next one is read
	Size      int    // in bytes, as it was on the wire
}

// Reader reads the packets of one file.
type Reader struct {
	in     *bufio.Reader
	format format
	packet Packet
	block  []byte
}

// format reads the next packet of a file into p.
type format interface {
	next(r *Reader) error
}

// NewReader begins to read a capture: pcap in either byte order, with micro- or
// nanoseconds, or pcapng.
func NewReader(r io.Reader) (*Reader, error) {
	in := bufio.NewReaderSize(r, 1<<18)
	magic, err := in.Peek(4)
	if err != nil {
		return nil, fmt.Errorf("%w: it has only %d bytes", ErrFormat, len(magic))
	}
	c := &Reader{in: in}
	if binary.LittleEndian.Uint32(magic) == blockSection {
		c.format = &pcapng{}
		return c, nil
	}
	if c.format, err = newPcap(in); err != nil {
		return nil, err
	}
	return c, nil
}

// Next returns the next packet, which is valid until the next call. At the end of the
// file its error is io.EOF, and wraps io.ErrUnexpectedEOF when the file ends in the
// middle of a record, as one does whose writer was killed.
func (r *Reader) Next() (*Packet, error) {
	if err := r.format.next(r); err != nil {
		return nil, err
	}
	r.packet.Number++
	return &r.packet, nil
}

// read returns the next n bytes of the file, which are valid until the next call. They
// stay where they were read to, unless they are more than that holds.
func (r *Reader) read(n int) ([]byte, error) {
	if n <= r.in.Size() {
		b, err := r.in.Peek(n)
		if err == nil {
			_, err = r.in.Discard(n)
			return b, err
		}
		if err == io.EOF && len(b) == 0 && n > 0 {
			return nil, io.EOF
		}
		return nil, r.cut(err)
	}
	if cap(r.block) < n {
		r.block = make([]byte, n)
	}
	b := r.block[:n]
	if got, err := io.ReadFull(r.in, b); err != nil {
		if err == io.EOF && got == 0 {
			return nil, io.EOF
		}
		return nil, r.cut(err)
	}
	return b, nil
}

// cut is the error of a file that ends where more should be.
func (r *Reader) cut(err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("the file ends in the middle of what follows packet %d: %w", r.packet.Number, err)
}

// broken is the error of a file that contradicts its format.
func (r *Reader) broken(f string, args ...any) error {
	return fmt.Errorf("%w behind packet %d: %s", ErrFormat, r.packet.Number, fmt.Sprintf(f, args...))
}
