package explore

import (
	"fmt"
	"time"

	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
)

// Op is a call of a program. A script is a list of them, made one after the other; when
// the next one is made, before or after what else can happen, is part of what is
// explored.
type Op uint8

// The calls.
const (
	Open       Op = iota // an active open; waits until the four-tuple is free
	Accept               // waits for a connection
	Write                // a segment's worth, when there is room
	ReadSome             // what is there; waits for something
	ReadEnd              // until the end of the stream
	Sleep                // a minute
	CloseWrite           // shutdown(SHUT_WR)
	Close
	Abort
)

var opText = [...]string{"open", "accept", "write", "read", "read to the end", "sleep", "shutdown", "close", "abort"}

func (o Op) String() string { return opText[o] }

// nap is how long a program sleeps: some probes of the keep-alive that rungs use.
const nap = time.Minute

// pending returns the next call of an end's program, and whether there is one that
// would not wait.
func (w *world) pending(r *Rung, i int) (o Op, ready bool) {
	e := w.ends[i]
	if e.at == len(r.Scripts[i]) {
		return 0, false
	}
	o = r.Scripts[i][e.at]
	switch o {
	case Sleep:
		return o, w.now >= e.until
	case Open:
		return o, !e.tcp.InUse(w.tuple(r, i))
	case Accept:
		return o, e.listener.Waiting() > 0
	}
	if e.conn == nil {
		panic(fmt.Sprintf("explore: script %d of rung %q calls %v without a connection", i, r.Name, o))
	}
	switch o {
	case Write:
		return o, e.conn.Writable()
	case CloseWrite: // a program has a connection to shut down when the handshake is over
		return o, e.conn.State() == tcp.Closed || e.conn.State().Synchronized()
	case ReadSome, ReadEnd:
		return o, e.conn.Readable()
	}
	return o, true
}

// tuple is the four-tuple of what an end opens. To itself it opens from the port that it
// opens to; two ends that both open use one port each.
func (w *world) tuple(r *Rung, i int) wire.Tuple {
	t := wire.Tuple{Local: address(i), Remote: address(w.peer(i)), LocalPort: local, RemotePort: port}
	switch {
	case len(w.ends) == 1:
		t.RemotePort = local
	case r.Listens[w.peer(i)] == 0 && i == 1:
		t.LocalPort, t.RemotePort = port, local
	}
	return t
}

// call makes the next call of a program.
func (w *world) call(r *Rung, i int) {
	e := w.ends[i]
	o, _ := w.pending(r, i)
	e.at++
	if e.at < len(r.Scripts[i]) && r.Scripts[i][e.at] == Sleep {
		e.until = w.now.Add(nap)
	}
	switch o {
	case Open, Accept:
		w.begin(r, i, o)
	case Write:
		e.write(w)
	case ReadSome, ReadEnd:
		if !e.take(w) && o == ReadEnd {
			e.at-- // and goes on with it
		}
	case CloseWrite:
		e.tcp.CloseWrite(w.now, e.conn)
	case Close:
		e.noteFailure()
		e.tcp.Close(w.now, e.conn)
		e.conn = nil
	case Abort:
		e.tcp.Abort(w.now, e.conn)
		e.conn = nil
	}
}

func (w *world) begin(r *Rung, i int, o Op) {
	e := w.ends[i]
	if e.conn != nil || e.written+e.read > 0 || e.ended {
		e.life++
	}
	e.written, e.read, e.ended = 0, 0, false
	if o == Accept {
		e.conn = e.tcp.Accept(e.listener)
	} else {
		e.conn, w.wrong = e.tcp.Connect(w.now, tcp.Path{MTU: mtu}, w.tuple(r, i), nil)
	}
	if w.wrong == nil && e.conn != nil && r.KeepAlive.Count > 0 {
		e.tcp.SetKeepAlive(w.now, e.conn, r.KeepAlive)
	}
}

func (e *end) write(w *world) {
	if e.conn.State() == tcp.Closed { // it learns so
		e.noteFailure()
		return
	}
	block := streams[e.life]
	block.Retain()
	if !e.tcp.Send(w.now, e.conn, buf.MakeView(block, e.written%period, unit)) {
		block.Release()
		w.wrong = fmt.Errorf("%v takes no text although it is writable", e.conn.State())
		return
	}
	e.written += unit
}

// take reads what there is, and reports whether that was the end.
func (e *end) take(w *world) (end bool) {
	for _, v := range e.tcp.Take(w.now, e.conn, 1<<20, nil) {
		if !w.bent && !isStream(e.life, e.read, v.Bytes()) {
			w.wrong = fmt.Errorf("what is read at %d is not what was written there", e.read)
		}
		e.read += v.Len()
		v.Release()
	}
	if !e.conn.EOF() {
		e.noteFailure()
		return e.conn.State() == tcp.Closed
	}
	e.ended = true
	return true
}

// noteFailure keeps why the connection failed, for the end of the play.
func (e *end) noteFailure() {
	if f := e.conn.Failure(); f != tcp.NoFailure {
		e.failure = f
	}
}
