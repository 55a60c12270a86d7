package story

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/clock"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/engine/wire"
	"github.com/handfast-tcp/handfast/lab/internal/sample"
)

// play builds the steps of a connection that is watched at both ends.
type play struct {
	now    clock.Time
	flight time.Duration
	state  [2]tcp.State
	steps  []Step
}

func newPlay() *play {
	return &play{now: clock.Time(time.Second), flight: 10 * time.Millisecond, state: [2]tcp.State{tcp.Closed, tcp.Listen}}
}

func (p *play) wait(d time.Duration) *play { p.now = p.now.Add(d); return p }
func (p *play) land() *play                { return p.wait(p.flight) }

func (p *play) add(s Step) *Step {
	s.Time = p.now
	p.steps = append(p.steps, s)
	return &p.steps[len(p.steps)-1]
}

// send sends a segment; "lost", "again" and "strange" among the words say what it is.
func (p *play) send(lane Lane, f wire.Flags, words ...string) *play {
	s := Step{Kind: Arrow, Lane: lane, To: 1 - lane, Flags: f, Arrives: p.now.Add(p.flight), Fields: []string{"[" + f.String() + "]"}}
	for _, w := range words {
		switch w {
		case "lost":
			s.End, s.Arrives, s.Text = Lost, 0, "lost"
		case "again":
			s.Again, s.Text = true, "again"
		default:
			s.Fields = append(s.Fields, w)
		}
	}
	p.add(s)
	return p
}

func (p *play) becomes(lane Lane, to tcp.State, why tcp.Cause) *play {
	s := Changed(p.now, lane, p.state[lane], to, why.String())
	s.Cause = why
	p.state[lane] = to
	p.add(s)
	return p
}

func (p *play) says(lane Lane, text string) *play {
	p.add(Step{Kind: Remark, Lane: lane, Text: text})
	return p
}

func (p *play) timer(lane Lane, text string) *play {
	p.add(Step{Kind: Mark, Lane: lane, State: p.state[lane], Text: text})
	return p
}

var offers = []string{"win 65535", "<mss 1460", "sack", "ts", "ws 7>"}

func (p *play) open() *play {
	p.says(Left, "connect 10.0.0.2:80").becomes(Left, tcp.SynSent, tcp.CauseActiveOpen)
	p.send(Left, wire.SYN, append([]string{"seq 0"}, offers...)...).land()
	p.becomes(Right, tcp.SynReceived, tcp.CauseSyn)
	p.send(Right, wire.SYN|wire.ACK, append([]string{"seq 0", "ack 1"}, offers...)...).land()
	p.becomes(Left, tcp.Established, tcp.CauseSynAck)
	p.send(Left, wire.ACK, "seq 1", "ack 1", "win 65536").says(Left, "connect: connected").land()
	return p.becomes(Right, tcp.Established, tcp.CauseAckOfSyn).says(Right, "accept: connection from 10.0.0.1:40000")
}

func (p *play) close() *play {
	p.says(Left, "close").becomes(Left, tcp.FinWait1, tcp.CauseClose)
	p.send(Left, wire.FIN|wire.ACK, "seq 1", "ack 1", "win 65536").land()
	p.becomes(Right, tcp.CloseWait, tcp.CauseFin)
	p.send(Right, wire.ACK, "seq 1", "ack 2", "win 65536")
	p.says(Right, "read: end of the stream").says(Right, "close").becomes(Right, tcp.LastAck, tcp.CauseClose)
	p.send(Right, wire.FIN|wire.ACK, "seq 1", "ack 2", "win 65536").land()
	p.becomes(Left, tcp.FinWait2, tcp.CauseAckOfFin).becomes(Left, tcp.TimeWait, tcp.CauseFin)
	p.send(Left, wire.ACK, "seq 2", "ack 2", "win 65536").land()
	p.becomes(Right, tcp.Closed, tcp.CauseAckOfFin).wait(60*time.Second - p.flight)
	return p.becomes(Left, tcp.Closed, tcp.CauseTimeWaitOver)
}

// short is a connection of about 12 segments, of which the first is lost.
func short() []Step {
	p := newPlay()
	p.says(Left, "connect 10.0.0.2:80").becomes(Left, tcp.SynSent, tcp.CauseActiveOpen)
	p.send(Left, wire.SYN, append([]string{"seq 0", "lost"}, offers...)...).wait(time.Second)
	p.timer(Left, "retransmit timer").send(Left, wire.SYN, append([]string{"seq 0", "again"}, offers...)...).land()
	p.becomes(Right, tcp.SynReceived, tcp.CauseSyn)
	p.send(Right, wire.SYN|wire.ACK, append([]string{"seq 0", "ack 1"}, offers...)...).land()
	p.becomes(Left, tcp.Established, tcp.CauseSynAck).send(Left, wire.ACK, "seq 1", "ack 1", "win 65536").land()
	p.becomes(Right, tcp.Established, tcp.CauseAckOfSyn)
	p.send(Left, wire.PSH|wire.ACK, "seq 1", "ack 1", "win 65536", "len 76")
	p.send(Right, wire.PSH|wire.ACK, "seq 1", "ack 1", "win 65536", "len 1000").land()
	return p.close().steps
}

// simultaneous opens and closes at both ends at once: every arrow crosses another.
func simultaneous() []Step {
	p := newPlay()
	p.state[Right] = tcp.Closed
	for lane := range Lane(2) {
		p.says(lane, "connect").becomes(lane, tcp.SynSent, tcp.CauseActiveOpen)
		p.send(lane, wire.SYN, append([]string{"seq 0"}, offers...)...)
	}
	p.land()
	for lane := range Lane(2) {
		p.becomes(lane, tcp.SynReceived, tcp.CauseSyn)
		p.send(lane, wire.SYN|wire.ACK, append([]string{"seq 0", "ack 1"}, offers...)...)
	}
	p.land()
	for lane := range Lane(2) {
		p.becomes(lane, tcp.Established, tcp.CauseAckOfSyn).becomes(lane, tcp.FinWait1, tcp.CauseClose)
		p.send(lane, wire.FIN|wire.ACK, "seq 1", "ack 1", "win 65536")
	}
	p.land()
	for lane := range Lane(2) {
		p.becomes(lane, tcp.Closing, tcp.CauseFin).send(lane, wire.ACK, "seq 2", "ack 2", "win 65536")
	}
	p.land()
	for lane := range Lane(2) {
		p.becomes(lane, tcp.TimeWait, tcp.CauseAckOfFin)
	}
	return p.steps
}

// long is a connection of about n segments over a bad wire, bursts and all.
func long(n int, seed uint64) []Step {
	r := rand.New(rand.NewPCG(seed, 2))
	p := newPlay().open()
	for sent := 3; sent < n-4; {
		burst := 1 + r.IntN(8)
		for i := range burst {
			words := []string{fmt.Sprintf("seq %d", 1+1448*sent), "ack 1", "win 65536", "len 1448"}
			if r.IntN(9) == 0 {
				words = append(words, "lost")
			}
			p.send(Left, wire.ACK, words...).wait(time.Duration(r.IntN(3)) * time.Millisecond * time.Duration(i%2))
			sent++
		}
		if r.IntN(3) == 0 {
			p.send(Right, wire.ACK|wire.PSH, "seq 1", fmt.Sprintf("ack %d", 1+1448*sent), "win 65536", "len 77")
			sent++
		}
		p.wait(time.Duration(r.IntN(20)) * time.Millisecond)
		p.send(Right, wire.ACK, "seq 1", fmt.Sprintf("ack %d", 1+1448*sent), "win 65536", "<sack", fmt.Sprintf("%d:%d>", 1448*sent, 1448*(sent+2)))
		sent++
		if r.IntN(6) == 0 {
			p.wait(time.Second).timer(Left, "retransmit timer").send(Left, wire.ACK, fmt.Sprintf("seq %d", 1+1448*sent), "ack 1", "win 65536", "len 1448", "again")
			sent++
		}
	}
	return p.wait(time.Second).close().steps
}

// explained gives every step a sentence.
func explained(steps []Step) []Step {
	for i := range steps {
		steps[i].Why = fmt.Sprintf("This is what step %d says, in a sentence that is long enough to need more than one line of the picture when it is drawn at the width of a page, or nearly so, and then some words more (RFC 9293 §3.5).", i)
	}
	return steps
}

func pictures() map[string][]Step {
	all := map[string][]Step{"short": short(), "simultaneous": simultaneous(), "explained": explained(short()), "watched": watched(), "empty": nil}
	for seed := range uint64(8) {
		all[fmt.Sprintf("long-%d", seed)] = long(120, seed)
	}
	f := Flow{Us: Right, Peer: Left}
	all["trouble"] = steps(&f, sample.Trouble().Events)
	return all
}

func drawn(name string, steps []Step, t Theme) *sketch {
	return Picture{Title: name, Summary: "A connection as both of its ends see it, over a wire that loses a segment here and there, and a sentence that is as long as those of the scenarios.",
		Lanes: []Head{{Title: "client\n10.0.0.1"}, {Title: "server\n10.0.0.2"}}, Footer: "Sequence numbers count from each SYN.", Theme: t}.draw(steps)
}

// No text of a picture covers another, none is cut off, and time runs down.
func TestPictureLayout(t *testing.T) {
	for name, steps := range pictures() {
		d := drawn(name, steps, Auto)
		checkBoxes(t, name, d.boxes, d.width, d.height)
		for i := 1; i < len(d.ticks); i++ {
			if d.ticks[i].y <= d.ticks[i-1].y || d.ticks[i].time <= d.ticks[i-1].time {
				t.Errorf("%s: time runs back after %v", name, d.ticks[i-1].time)
			}
		}
		for i := range steps {
			if steps[i].Kind == Arrow && d.end[i] < d.begin[i] {
				t.Errorf("%s: step %d arrives before it is sent", name, i)
			}
		}
	}
}

func checkBoxes(t *testing.T, name string, boxes []textBox, width, height float64) {
	t.Helper()
	for i := range boxes {
		for _, p := range boxes[i].quad {
			if p.x < 0 || p.x > width || p.y < 0 || p.y > height {
				t.Errorf("%s: %q leaves the picture", name, boxes[i].text)
				break
			}
		}
		for j := range boxes[:i] {
			if boxes[i].overlap(&boxes[j]) {
				t.Errorf("%s: %q covers %q", name, boxes[i].text, boxes[j].text)
			}
		}
	}
}

// The test above can fail.
func TestOverlap(t *testing.T) {
	a := (&label{at: point{100, 100}, size: 10, spans: []span{{text: "some words"}}}).box()
	for _, c := range []struct {
		at    point
		angle float64
		want  bool
	}{{point{100, 100}, 0, true}, {point{100, 112}, 0, false}, {point{100, 108}, 0, true}, {point{200, 100}, 0, false}, {point{100, 108}, -30, true}, {point{100, 112}, 30, false}} {
		l := label{at: c.at, size: 10, angle: c.angle, spans: []span{{text: "other words"}}}
		if b := l.box(); a.overlap(&b) != c.want {
			t.Errorf("at %v turned by %v: %v", c.at, c.angle, !c.want)
		}
	}
}

// Pictures are XML, of every theme; the same steps are the same bytes.
func TestPictureIsXML(t *testing.T) {
	for name, steps := range pictures() {
		for _, theme := range []Theme{Auto, Light, Dark} {
			var a, b bytes.Buffer
			p := Picture{Title: name + ` <&"`, Lanes: []Head{{Title: "client"}, {Title: "server"}}, Theme: theme}
			if err := errors.Join(p.Write(&a, steps), p.Write(&b, steps)); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(a.Bytes(), b.Bytes()) {
				t.Errorf("%s: two drawings differ", name)
			}
			if err := wellFormed(a.String()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if media := strings.Contains(a.String(), "@media"); media != (theme == Auto) {
				t.Errorf("%s: theme %d has a media query: %v", name, theme, media)
			}
		}
	}
}

func wellFormed(s string) error {
	for d := xml.NewDecoder(strings.NewReader(s)); ; {
		if _, err := d.Token(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// Whoever wants to look at the pictures names a directory for them.
func TestPicturesToLookAt(t *testing.T) {
	dir := os.Getenv("HANDFAST_PICTURES")
	if dir == "" {
		t.Skip("HANDFAST_PICTURES names no directory")
	}
	names := []string{"short", "simultaneous", "explained", "watched", "trouble", "long-1"}
	for name, steps := range pictures() {
		if !slices.Contains(names, name) {
			continue
		}
		for suffix, theme := range map[string]Theme{"": Light, "-dark": Dark} {
			d := drawn(name, steps, theme)
			svg := d.picture(pictureWidth, d.height, theme, name, "")
			if err := os.WriteFile(filepath.Join(dir, name+suffix+".svg"), []byte(svg), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// What is left out first for want of room is what says least: of an ACK with a
// hole the window, of a SYN its options, and never a window that is shut.
func TestWordings(t *testing.T) {
	for _, c := range []struct{ fields, want []string }{
		{[]string{"[.]", "seq 1", "ack 2897", "win 259200", "<sack", "8689:9000", "4345:5793>"},
			[]string{"seq 1 ack 2897 win 259200 <sack 8689:9000 4345:5793>", "seq 1 ack 2897 <sack 8689:9000 4345:5793> …", "ack 2897 <sack 8689:9000 4345:5793> …",
				"ack 2897 <sack 8689:9000 …> …", "seq 1 ack 2897 win 259200 …", "seq 1 ack 2897 …"}},
		{[]string{"[S]", "seq 0", "win 65535", "<mss 1460", "sack", "ts", "ws 5>"},
			[]string{"seq 0 win 65535 <mss 1460 sack ts ws 5>", "seq 0 win 65535 …", "seq 0 …"}},
		{[]string{"[.]", "seq 1", "ack 9", "win 0"}, []string{"seq 1 ack 9 win 0"}},
	} {
		var got []string
		for _, w := range wordings(&Step{Kind: Arrow, Fields: c.fields}, 0) {
			got = append(got, strings.TrimSpace(w[1].text))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%v: %q", c.fields, got)
		}
	}
}
