package stream

import (
	"net"
	"sync"

	"github.com/handfast-tcp/handfast/engine/buf"
)

// writeBatch is how many frames one system call takes at most.
const writeBatch = 64

// sender is the writing half of a link: a bounded queue, and a goroutine that empties
// it. So nobody waits for the machine, and a frame that is half sent is completed.
type sender struct {
	link    *Link
	running sync.WaitGroup

	mu       sync.Mutex
	nonEmpty sync.Cond
	ring     []*buf.Packet
	first    int // index of the oldest
	count    int // how many wait
	stopped  bool
	framing  Framing // Detect and Hyperkit until the handshake is over: nothing is sent

	// What the goroutine works on.
	batch   [writeBatch]*buf.Packet
	headers [writeBatch][maxHeader]byte
	pieces  [writeBatch * (2 + buf.MaxViews)][]byte
	rest    net.Buffers // what of pieces is still to be written
	message []byte      // a frame in one piece
}

func (s *sender) init(l *Link, o Options) {
	s.link, s.framing, s.ring = l, o.Framing, make([]*buf.Packet, o.Queue)
	s.nonEmpty.L = &s.mu
	s.running.Go(s.run)
}

// open lets frames through after a handshake.
func (s *sender) open(f Framing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.framing = f
}

// put appends batch and takes over its packets. What does not fit is dropped. It
// returns false when the link has ended.
func (s *sender) put(batch []*buf.Packet) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, p := range batch {
		batch[i] = nil
		if s.stopped || s.count == len(s.ring) || !s.carries(p) {
			s.link.drops.Write.Add(1)
			p.Release()
			continue
		}
		s.ring[(s.first+s.count)%len(s.ring)] = p
		s.count++
	}
	if s.count > 0 {
		s.nonEmpty.Signal()
	}
	return !s.stopped
}

// carries reports whether p is what the attributes say that the link takes. A frame
// may have a VLAN tag.
func (s *sender) carries(p *buf.Packet) bool {
	const tag = 4
	n := min(s.framing.maxSent(), s.link.attributes.MTU+ethernetHeader+tag)
	return p.GSOSize == 0 && p.Checksum != buf.ChecksumPartial && p.Len() <= n
}

// take waits for frames and returns how many it has moved into s.batch; 0 at the end.
func (s *sender) take() (n int, f Framing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.count == 0 && !s.stopped {
		s.nonEmpty.Wait()
	}
	for n < writeBatch && s.count > 0 {
		s.batch[n] = s.ring[s.first]
		s.ring[s.first] = nil
		s.first = (s.first + 1) % len(s.ring)
		s.count--
		n++
	}
	if s.stopped {
		s.drop(n)
		n = 0
	}
	return n, s.framing
}

// drop releases the first n packets of the batch.
func (s *sender) drop(n int) {
	for i, p := range s.batch[:n] {
		p.Release()
		s.batch[i] = nil
	}
}

// stop ends the goroutine, and drops what waits.
func (s *sender) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	// Closing the link does not wait until a machine has taken what is for it.
	for s.count > 0 {
		s.ring[s.first].Release()
		s.ring[s.first] = nil
		s.first = (s.first + 1) % len(s.ring)
		s.count--
		s.link.drops.Write.Add(1)
	}
	s.nonEmpty.Signal()
}

func (s *sender) run() {
	for {
		n, framing := s.take()
		if n == 0 {
			return
		}
		err := s.write(s.batch[:n], framing)
		s.drop(n)
		if err != nil {
			s.link.fail(err)
			return
		}
	}
}

// write waits as long as the machine does not read: its goroutine is for that, and its queue
// is where frames are dropped meanwhile.
func (s *sender) write(batch []*buf.Packet, f Framing) error {
	if f == Message {
		return s.writeMessages(batch)
	}
	return s.writeFrames(batch, f)
}

// writeFrames writes a batch with one call where the connection can gather.
func (s *sender) writeFrames(batch []*buf.Packet, f Framing) error {
	pieces := s.pieces[:0]
	for i, p := range batch {
		pieces = append(pieces, f.putHeader(&s.headers[i], p.Len()), p.Data)
		for v := range p.N {
			pieces = append(pieces, p.Views[v].Bytes())
		}
	}
	s.rest = pieces
	_, err := s.rest.WriteTo(s.link.conn)
	clear(pieces)
	return err
}

// writeMessages writes each frame by a call of its own.
func (s *sender) writeMessages(batch []*buf.Packet) error {
	for _, p := range batch {
		whole := p.Data
		if p.N > 0 {
			s.message = append(s.message[:0], p.Data...)
			for v := range p.N {
				s.message = append(s.message, p.Views[v].Bytes()...)
			}
			whole = s.message
		}
		switch _, err := s.link.conn.Write(whole); {
		case err == nil:
		case isTooLarge(err): // for the socket's buffer
			s.link.drops.Write.Add(1)
		default:
			return err
		}
	}
	return nil
}
