package oracle

import "bytes"

// Streams judges what the programs at both ends of connections write, read and are
// told. The zero value is ready to be used. A stream of which it did not see the writer,
// because that is no program of a host under test, is not judged.
type Streams struct {
	by    map[Stream]*stream
	order []Stream // the oldest first
}

// Stream names one direction of one connection, by the flow of its segments and the
// number of its SYN.
type Stream struct {
	Flow Flow
	ISN  uint32
}

// maxStreams bounds how many are remembered. Beyond that the oldest goes, and is not
// judged any more.
const maxStreams = 4096

// stream is what is known of one.
type stream struct {
	text    []byte // that was written, not long ago
	taken   int    // of text, bytes that were read
	written int64  // bytes
	read    int64
	closed  bool // by its writer: nothing follows
	ended   bool // its reader was told of the end
	failed  bool // or of a failure
}

func (t *Streams) stream(k Stream) *stream {
	if s := t.by[k]; s != nil {
		return s
	}
	if t.by == nil {
		t.by = map[Stream]*stream{}
	}
	if len(t.order) == maxStreams {
		delete(t.by, t.order[0])
		t.order = t.order[1:]
	}
	s := &stream{}
	t.by[k] = s
	t.order = append(t.order, k)
	return s
}

// Opened notes that a program has the end from which a stream leaves, before it writes.
func (t *Streams) Opened(k Stream) { t.stream(k) }

// Wrote notes what the engine has taken from a program, before any of it may be
// delivered. After the program has closed, the engine takes nothing.
func (t *Streams) Wrote(k Stream, text []byte) error {
	s := t.stream(k)
	if s.taken > len(s.text)/2 {
		s.text, s.taken = s.text[:copy(s.text, s.text[s.taken:])], 0
	}
	s.text = append(s.text, text...)
	s.written += int64(len(text))
	if s.closed && len(text) > 0 {
		return fault("M6", "RFC 9293 §3.9.1.2", "%d bytes are taken after the close", len(text))
	}
	return nil
}

// Closed notes that a program has closed the stream: its end is promised.
func (t *Streams) Closed(k Stream) { t.stream(k).closed = true }

// Read judges what a program at the other end has read: the next of what was written.
func (t *Streams) Read(k Stream, text []byte) error {
	s := t.by[k]
	if s == nil || len(text) == 0 {
		return nil
	}
	at := s.read
	s.read += int64(len(text))
	unread := s.text[s.taken:]
	n := min(len(text), len(unread))
	same := bytes.Equal(text[:n], unread[:n])
	s.taken += n
	switch {
	case s.ended:
		return fault("R9", "RFC 9293 §3.9.1.3", "%d bytes are read after the end", len(text))
	case !same:
		return fault("R1", "RFC 9293 §3.4", "what is read from byte %d on is not what was written", at)
	case n < len(text):
		return fault("R1", "RFC 9293 §3.4", "%d bytes are read, and %d were written", s.read, s.written)
	}
	return nil
}

// Ended judges that a program is told of a stream's end: its writer has closed it, and
// all was read. A failure is never told as an end.
func (t *Streams) Ended(k Stream) error {
	s := t.by[k]
	if s == nil {
		return nil
	}
	s.ended = true
	switch {
	case s.failed:
		return fault("R9", "RFC 9293 §3.9.1.3", "an end is told after a failure")
	case !s.closed:
		return fault("R9", "RFC 9293 §3.9.1.3", "an end is told after %d bytes, and the writer has not closed", s.read)
	case s.read != s.written:
		return fault("R9", "RFC 9293 §3.9.1.3", "an end is told after %d bytes, and %d were written", s.read, s.written)
	}
	return nil
}

// Failed notes that a program was told that the stream will bring no more, and why not
// is of no matter.
func (t *Streams) Failed(k Stream) {
	if s := t.by[k]; s != nil {
		s.failed = true
	}
}
