package main

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"unicode"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/pulse"
	"github.com/handfast-tcp/handfast/engine/account"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/inspect"
	"github.com/handfast-tcp/handfast/lab/story"
	"github.com/handfast-tcp/handfast/link/pipe"
)

// top draws of a connection what its host has kept: both ways, with the states; of one of
// which nothing is kept it says nothing.
func TestTopTells(t *testing.T) {
	dir, err := os.MkdirTemp("", "hf") // not t.TempDir: the name of a socket may have about 100 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	t.Setenv(inspect.PlaceVariable, dir)
	a, b := pipe.New(pipe.Options{})
	hosts := [2]*handfast.Host{}
	for i, l := range []*pipe.End{a, b} {
		h, err := handfast.New(handfast.Config{Events: account.Keep{Connections: 16}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { h.Close() })
		address := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(1 + i)}), 24)
		if err := h.Attach(l, handfast.LinkOptions{Addresses: []netip.Prefix{address}}); err != nil {
			t.Fatal(err)
		}
		hosts[i] = h
	}
	l, err := hosts[1].Listen("tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	client, err := hosts[0].Dial("tcp", "10.0.0.2:80")
	if err != nil {
		t.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Read(make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	s, err := inspect.Serve(hosts[1], "top-tells")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	end := func(text string) inspect.Endpoint {
		p := netip.MustParseAddrPort(text)
		return inspect.Endpoint{Addr: p.Addr(), Port: p.Port()}
	}
	c := &pulse.Conn{Host: "top-tells", PID: os.Getpid(), Row: inspect.Row{State: inspect.State(tcp.Established), Local: end("10.0.0.2:80"), Remote: end(client.LocalAddr().String())}}
	o := &topOptions{}
	told, err := o.tell(t.Context(), c)
	if err != nil || told == nil {
		t.Fatal(told, err)
	}
	var drawn strings.Builder
	if err := (story.Ladder{Lanes: told.Lanes, Width: 80}).Write(&drawn, told.Steps); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"10.0.0.2:80", "[.] seq 1 ack 1", "SYN-RECEIVED", "our SYN is acknowledged", "ESTABLISHED", "[P.] seq 1 ack 1", "len 5", "ack 6"} {
		if !strings.Contains(drawn.String(), want) {
			t.Errorf("no %q in:\n%s", want, drawn.String())
		}
	}
	c.Remote.Port++
	if told, err := o.tell(t.Context(), c); told != nil || err != nil {
		t.Errorf("of another connection: %+v %v", told, err)
	}
}

// What is told of a line with every reason and mark is Chinese where Chinese is spoken, and
// the engine's words otherwise.
func TestTopTellsInChinese(t *testing.T) {
	var lines strings.Builder
	want := 0
	for c := tcp.CauseActiveOpen; c <= tcp.CauseReuse; c++ {
		fmt.Fprintf(&lines, `{"time":1,"event":%q,"from":"ESTABLISHED","state":"CLOSED","cause":%q}`+"\n", tcp.StateChanged, c)
		want++
	}
	for d := range wire.Drop(wire.NumDrops) {
		fmt.Fprintf(&lines, `{"time":2,"event":%q,"drop":%q,"segment":{"flags":"[P.]","seq":12,"ack":30,"win":99,"len":5,"iss":20,"irs":10}}`+"\n", tcp.SegmentDropped, d)
		want++
	}
	fmt.Fprintf(&lines, `{"time":3,"event":%q,"segment":{"flags":"[S]","seq":20,"win":99,"retransmit":true,"iss":20}}`+"\n", tcp.SegmentSent)
	for lang := range story.Chinese + 1 {
		told, err := ladderOf(strings.NewReader(lines.String()), &pulse.Conn{}, lang)
		if err != nil || len(told.Steps) != want+1 {
			t.Fatalf("%d steps of %d, %v", len(told.Steps), want+1, err)
		}
		for i, s := range told.Steps {
			if zh := strings.ContainsFunc(s.Text, func(r rune) bool { return unicode.Is(unicode.Han, r) }); s.Text == "" || zh != (lang == story.Chinese) {
				t.Errorf("step %d in language %d: %q", i, lang, s.Text)
			}
		}
		last, dropped := told.Steps[want], told.Steps[want-1]
		if last.Flags != wire.SYN || !last.Again || dropped.Lane != story.Left || strings.Join(dropped.Fields, " ") != "[P.] seq 2 ack 10 win 99 len 5" {
			t.Errorf("%+v\n%+v", last, dropped)
		}
	}
}
