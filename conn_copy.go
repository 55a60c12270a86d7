package handfast

import (
	"io"
	"net"

	"github.com/handfast-tcp/handfast/engine/buf"
)

// ReadFrom sends what it reads from r until r ends. r reads straight into the
// memory that is sent. It implements io.ReaderFrom, which io.Copy uses.
func (c *TCPConn) ReadFrom(r io.Reader) (int64, error) {
	n, err := c.readFrom(r)
	if err != nil {
		err = c.opError("readfrom", err)
	}
	return n, err
}

func (c *TCPConn) readFrom(r io.Reader) (total int64, err error) {
	if v, ok := r.(*net.Buffers); ok {
		return c.WriteBuffers(v)
	}
	var in filler
	defer in.release()
	for {
		if err := c.waitForSpace(); err != nil {
			return total, c.opError("write", err)
		}
		v, readErr := in.read(r)
		if v.Len() > 0 {
			if err := c.sendView(v); err != nil {
				return total, c.opError("write", err)
			}
			total += int64(v.Len())
		}
		if readErr == io.EOF {
			return total, nil
		}
		if readErr != nil {
			return total, readErr
		}
	}
}

// waitForSpace waits until there is room in the send buffer.
func (c *TCPConn) waitForSpace() error {
	s := c.shard
	now, err := c.awaitSpace(s.enter())
	s.leave(now)
	return err
}

// sendView sends v, whose reference it takes, when no other write is under way.
func (c *TCPConn) sendView(v buf.View) error {
	s := c.shard
	now, err := c.beginWrite(s.enter())
	if err != nil {
		s.leave(now)
		v.Release()
		return err
	}
	err = c.queue(now, v)
	c.endWrite()
	s.leave(now)
	return err
}

// filler reads into blocks, several reads into one, so that a source of small
// pieces does not pin much memory. Blocks are small until reads fill them.
type filler struct {
	block *buf.Block
	used  int
	full  bool // the last read filled all the room that it got
}

// read reads once from r. The caller owns the view.
func (f *filler) read(r io.Reader) (buf.View, error) {
	if f.block == nil {
		size := buf.MediumSize
		if f.full {
			size = chunkSize
		}
		f.block, f.used = buf.Get(size), 0
	}
	room := f.block.Bytes()[f.used:]
	room = room[:min(len(room), chunkSize)]
	n, err := r.Read(room)
	v := buf.MakeView(f.block, f.used, n)
	f.used += n
	f.full = n == len(room)
	v.Retain()
	if f.used > f.block.Cap()*3/4 {
		f.release()
	}
	if n == 0 {
		v.Release()
		return buf.View{}, err
	}
	return v, err
}

func (f *filler) release() {
	if f.block != nil {
		f.block.Release()
		f.block = nil
	}
}

// WriteTo writes what it reads to w until the stream ends. w gets the very
// memory that was received; only small pieces are put together first. It
// implements io.WriterTo, which io.Copy uses.
func (c *TCPConn) WriteTo(w io.Writer) (int64, error) {
	n, err := c.writeTo(w)
	if err != nil {
		err = c.opError("writeto", err)
	}
	return n, err
}

// copyAtOnce is how many received bytes are taken at once for WriteTo.
const copyAtOnce = 256 << 10

func (c *TCPConn) writeTo(w io.Writer) (total int64, err error) {
	var room [takeViews]buf.View
	for {
		views, err := c.take(copyAtOnce, room[:0])
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, c.opError("read", err)
		}
		n, err := writeViews(w, views)
		total += n
		if err != nil {
			return total, err
		}
	}
}

// writeViews writes views to w and releases them. Those at the front of what is
// left that together fit into a block are put together when there are several:
// a write may be a system call.
func writeViews(w io.Writer, views []buf.View) (total int64, err error) {
	for len(views) > 0 {
		n := gatherable(views)
		if err == nil {
			var written int
			written, err = writeGathered(w, views[:n])
			total += int64(written)
		}
		for _, v := range views[:n] {
			v.Release()
		}
		views = views[n:]
	}
	return total, err
}

// gatherable returns how many views, at least one, go into one write.
func gatherable(views []buf.View) int {
	size := 0
	for i, v := range views {
		if size += v.Len(); size > chunkSize || v.Len() > buf.MediumSize {
			return max(i, 1)
		}
	}
	return len(views)
}

func writeGathered(w io.Writer, views []buf.View) (int, error) {
	if len(views) == 1 {
		return writeAll(w, views[0].Bytes())
	}
	b := buf.Get(chunkSize)
	defer b.Release()
	n := 0
	for _, v := range views {
		n += copy(b.Bytes()[n:], v.Bytes())
	}
	return writeAll(w, b.Bytes()[:n])
}

func writeAll(w io.Writer, p []byte) (int, error) {
	n, err := w.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return n, err
}
