package inspect

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// ParseEnd reads one end of a connection: 10.0.0.1:80, [fd00::1]:80, :80, or an address alone.
func ParseEnd(s string) (netip.AddrPort, error) {
	if port, ok := strings.CutPrefix(s, ":"); ok {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return netip.AddrPort{}, fmt.Errorf("%q is not a port", s)
		}
		return netip.AddrPortFrom(netip.Addr{}, uint16(n)), nil
	}
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return netip.AddrPortFrom(a, 0), nil
	}
	a, err := netip.ParseAddrPort(s)
	if err != nil {
		return a, fmt.Errorf("%q is not an address with a port: 10.0.0.1:80, [fd00::1]:80, :80", s)
	}
	return a, nil
}

// queryOf writes which connections are asked about.
func queryOf(f handfast.EventFilter) string {
	v := url.Values{}
	for name, a := range map[string]netip.AddrPort{"local": f.Local, "remote": f.Remote} {
		switch {
		case a.IsValid() && a.Port() != 0:
			v.Set(name, a.String())
		case a.Addr().IsValid():
			v.Set(name, a.Addr().String())
		case a.Port() != 0:
			v.Set(name, ":"+strconv.Itoa(int(a.Port())))
		}
	}
	return "?" + v.Encode()
}

// filterOf reads which connections a request asks about, and says what is wrong with it.
func filterOf(w http.ResponseWriter, r *http.Request) (f handfast.EventFilter, ok bool) {
	for name, end := range map[string]*netip.AddrPort{"local": &f.Local, "remote": &f.Remote} {
		text := r.FormValue(name)
		if text == "" {
			continue
		}
		var err error
		if *end, err = ParseEnd(text); err != nil {
			http.Error(w, name+": "+err.Error(), http.StatusBadRequest)
			return f, false
		}
	}
	return f, true
}

// events answers with the last events of connections.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	f, ok := filterOf(w, r)
	if !ok || s.host == nil {
		return
	}
	all := s.host.Histories(f)
	if r.FormValue("format") == "json" {
		w.Header().Set("Content-Type", "application/x-ndjson")
	} else {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	}
	for i := range all {
		if r.FormValue("format") == "json" {
			s.writeJSONEvents(w, all[i].Events)
		} else {
			s.writeEvents(w, &all[i])
		}
	}
}

// writeEvents writes what is kept of a connection as text: when it began to be kept, then an event a
// line.
func (s *Server) writeEvents(w io.Writer, b *handfast.EventBatch) {
	first := &b.Events[0]
	fmt.Fprintf(w, "%v, from %s", first.Tuple, s.host.WallTime(first.Time).Format(time.RFC3339Nano))
	if b.Skipped > 0 {
		fmt.Fprintf(w, "; %d events before", b.Skipped)
	}
	text := trace.Text{Start: first.Time}
	line := []byte("\n")
	for i := range b.Events {
		line = append(text.Append(append(line, "  "...), &b.Events[i]), '\n')
		w.Write(line) // a failure is the client's to see
		line = line[:0]
	}
}

func (s *Server) writeJSONEvents(w io.Writer, events []tcp.Event) {
	zero := clock.Time(-s.host.WallTime(0).UnixNano())
	for i := range events {
		w.Write(append(trace.AppendJSON(nil, &trace.Event{Event: events[i]}, zero, ""), '\n'))
	}
}

// capture writes what happens to connections as pcapng, until the client goes or the
// host ends.
func (s *Server) capture(w http.ResponseWriter, r *http.Request) {
	f, ok := filterOf(w, r)
	if !ok {
		return
	}
	if s.host == nil {
		http.Error(w, "its connections are not ours", http.StatusNotFound)
		return
	}
	f.Queue = 1 << 15
	watch := s.host.WatchEvents(f)
	defer watch.Close()
	w.Header().Set("Content-Type", "application/x-pcapng")
	out := http.NewResponseController(w)
	c := newCapturer(w, s.name, s.host.WallTime)
	for c.err() == nil {
		out.SetWriteDeadline(time.Now().Add(patience))
		if out.Flush() != nil {
			return
		}
		b, err := watch.Next(r.Context())
		if err != nil {
			return
		}
		c.batch(&b)
	}
}

// capturer makes packets of events.
type capturer struct {
	out     *trace.Pcapng
	wall    func(clock.Time) time.Time
	skipped uint64 // that the next packet has to tell of
	id      int
}

func newCapturer(w io.Writer, name string, wall func(clock.Time) time.Time) *capturer {
	c := &capturer{out: trace.NewPcapng(w, "What TCP of handfast "+name+" has seen: headers, states, reasons. Text is left out."), wall: wall}
	c.out.AddInterface(name)
	return c
}

func (c *capturer) err() error { return c.out.Err() }

// batch writes the packets of a batch, each with what it brought about, or why it was
// sent, as comments.
func (c *capturer) batch(b *handfast.EventBatch) {
	run, packets := trace.Run{}, map[int]trace.Captured{}
	first := c.id + 1
	for i := range b.Events {
		e := trace.Event{Host: b.Events[i].Tuple.String(), Event: b.Events[i]}
		if e.Kind <= tcp.SegmentDropped {
			c.id++
			e.Packet = c.id
			packets[c.id] = c.packet(&e.Event)
		}
		run.Events = append(run.Events, e)
	}
	comments := trace.Comments(&run)
	for id := first; id <= c.id; id++ {
		p := packets[id]
		p.Comments = comments[id]
		if c.skipped > 0 {
			p.Comments = append(p.Comments, fmt.Sprintf("%d events were skipped before", c.skipped))
			c.skipped = 0
		}
		c.out.Packet(&p)
	}
	c.skipped += b.Skipped
}

// packet is the packet of a segment: its headers, as their options are padded by us.
func (c *capturer) packet(e *tcp.Event) trace.Captured {
	t, direction := e.Tuple, trace.Outbound
	if e.Kind != tcp.SegmentSent {
		t, direction = t.Reverse(), trace.Inbound
	}
	ip := wire.IP{Version: 6, Proto: wire.ProtoTCP, TTL: 64, Src: t.Local, Dst: t.Remote}
	if t.Local.Is4() {
		ip.Version = 4
	}
	h := e.Segment
	h.SrcPort, h.DstPort = t.LocalPort, t.RemotePort
	data := wire.AppendSegment(nil, &ip, &h, e.Len, 0, true)
	return trace.Captured{Time: clock.Time(c.wall(e.Time).UnixNano()), Data: data, Size: len(data) + e.Len, Direction: direction}
}

// Events asks for the last events of connections, as text. They are there where the program has
// its host keep them. Of f only Local and Remote count, as for Capture.
func (i Instance) Events(ctx context.Context, f handfast.EventFilter, asJSON bool) (io.ReadCloser, error) {
	path := "/v1/events" + queryOf(f)
	if asJSON {
		path += "&format=json"
	}
	return i.ask(ctx, http.MethodGet, path, nil)
}

// Capture asks for what happens to connections, as pcapng, until ctx ends.
func (i Instance) Capture(ctx context.Context, f handfast.EventFilter) (io.ReadCloser, error) {
	return i.ask(ctx, http.MethodGet, "/v1/capture"+queryOf(f), nil)
}
