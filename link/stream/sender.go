package stream

import (
	"net"
	"sync"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
)

// writeBatch is how many frames one system call takes at most.
const writeBatch = 64

// patience is how long a system call may take before the next one gets less: what it
// has taken, what comes meanwhile waits for.
const patience = 2 * time.Millisecond

// sender is the writing half of a link: a bounded queue, and a goroutine that empties
// it. So nobody waits for the machine, and a frame that is half sent is completed.
type sender struct {
	link    *Link
	running sync.WaitGroup

	mu       sync.Mutex
	nonEmpty sync.Cond
	queue    fair
	epoch    time.Time // the queue's time counts from here
	stopped  bool
	framing  Framing // Detect and Hyperkit until the handshake is over: nothing is sent

	// What the goroutine works on.
	most    int // frames that a system call takes at present
	below   below
	batch   [writeBatch]*buf.Packet
	headers [writeBatch][maxHeader]byte
	pieces  [writeBatch * (2 + buf.MaxViews)][]byte
	rest    net.Buffers // what of pieces is still to be written
	message []byte      // a frame in one piece
}

func (s *sender) init(l *Link, o Options) {
	s.link, s.framing, s.most, s.epoch = l, o.Framing, writeBatch, time.Now()
	s.below.init(l.conn, &o)
	s.queue.init(o.Queue, s.refuse)
	s.nonEmpty.L = &s.mu
	s.running.Go(s.run)
}

// open lets frames through after a handshake.
func (s *sender) open(f Framing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.framing = f
}

// refuse drops a frame, and counts it.
func (s *sender) refuse(p *buf.Packet) {
	s.link.drops.Write.Add(1)
	p.Release()
}

// put appends batch and takes over its packets. What does not fit is dropped. It
// returns false when the link has ended.
func (s *sender) put(batch []*buf.Packet) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Since(s.epoch)
	for i, p := range batch {
		batch[i] = nil
		if s.stopped || !s.carries(p) {
			s.refuse(p)
			continue
		}
		s.queue.put(now, p)
	}
	if s.queue.count > 0 {
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
	for n == 0 && !s.stopped {
		for s.queue.count == 0 && !s.stopped {
			s.nonEmpty.Wait()
			s.below.begin(time.Since(s.epoch))
		}
		now := time.Since(s.epoch)
		for n < s.most {
			p := s.queue.take(now)
			if p == nil {
				break
			}
			s.batch[n] = p
			n++
		}
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
	s.queue.clear()
	s.nonEmpty.Signal()
}

func (s *sender) run() {
	for {
		n, framing := s.take()
		if n == 0 {
			return
		}
		begun, bytes := time.Now(), 0
		for _, p := range s.batch[:n] {
			bytes += p.Len()
		}
		err := s.write(s.batch[:n], framing)
		s.adapt(n, bytes, time.Since(begun))
		s.drop(n)
		if err != nil {
			s.link.fail(err)
			return
		}
	}
}

// adapt follows how long a system call took, with so many frames: a slow machine gets
// less at once, and less waits below the queue, where there are no turns.
func (s *sender) adapt(n, bytes int, took time.Duration) {
	switch {
	case took > patience:
		s.most = max(n/2, 1)
	case took < patience/2:
		s.most = min(2*s.most, writeBatch)
	}
	s.below.wrote(time.Since(s.epoch), bytes, took > patience)
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
