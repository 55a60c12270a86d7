package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/handfast-tcp/handfast/lab"
	"github.com/handfast-tcp/handfast/lab/capture"
	"github.com/handfast-tcp/handfast/lab/trace"
)

// resultOf plays a scenario as it is written.
func resultOf(t *testing.T, name string, o lab.Options) *lab.Result {
	t.Helper()
	s, err := lab.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	o.Seed = 1
	r, err := s.Run(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func captureOf(t *testing.T, r *lab.Result) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := trace.WriteCapture(&b, r.Scenario.Name, &r.Run); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Another reader finds every packet, byte by byte, at its nanosecond.
func TestCapturesAreReadByOthers(t *testing.T) {
	for _, s := range lab.Scenarios() {
		v := resultOf(t, s.Name, lab.Options{})
		r, err := pcapgo.NewNgReader(bytes.NewReader(captureOf(t, v)), pcapgo.NgReaderOptions{WantMixedLinkType: true})
		if err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		for i, p := range v.Packets {
			data, info, err := r.ReadPacketData()
			if err != nil {
				t.Fatalf("%s: packet %d: %v", s.Name, i, err)
			}
			if !bytes.Equal(data, p.Data) || info.Timestamp.UnixNano() != int64(p.Time) {
				t.Errorf("%s: packet %d differs, or its time %v", s.Name, i, info.Timestamp)
			}
			n, err := r.Interface(info.InterfaceIndex)
			if err != nil || n.Name != p.From || n.LinkType != layers.LinkTypeRaw {
				t.Errorf("%s: packet %d left %q of type %v (%v)", s.Name, i, n.Name, n.LinkType, err)
			}
		}
		if _, _, err := r.ReadPacketData(); !errors.Is(err, io.EOF) {
			t.Errorf("%s: after the last packet: %v", s.Name, err)
		}
	}
}

// The comments of a lost SYN say that it was lost, and who did what because of it.
func TestCaptureComments(t *testing.T) {
	v := resultOf(t, "three-way-handshake-lost-syn", lab.Options{})
	comments := trace.Comments(&v.Run)
	for id, want := range map[int]string{
		1: "client: CLOSED -> SYN-SENT (active open)|on the wire: lost",
		2: "client: retransmit timer fired|server: LISTEN -> SYN-RECEIVED (SYN arrived)",
		3: "client: SYN-SENT -> ESTABLISHED (SYN-ACK arrived)",
		4: "server: SYN-RECEIVED -> ESTABLISHED (our SYN is acknowledged)",
	} {
		got := strings.Join(comments[id], "|")
		for part := range strings.SplitSeq(want, "|") {
			if !strings.Contains(got, part) {
				t.Errorf("packet %d: %q, want %q", id, got, part)
			}
		}
	}
}

// What Wireshark calls the parts of a whole conversation, tcp.completeness.
const (
	hasSYN = 1 << iota
	hasSYNACK
	hasACK
	hasData
	hasFIN
	hasRST

	opened   = hasSYN | hasSYNACK | hasACK
	complete = opened | hasData | hasFIN
)

// verdict is what tshark must say of a scenario: all of found, and nothing else
// of what tells of trouble, except what is excused.
type verdict struct {
	completeness int // of the first conversation; 0: not looked at
	found        string
	excused      string
}

// verdictOf is what is known of scenarios. tcp.analysis knows what was sent, not why: it sees
// simultaneous SYN-ACKs as repeated SYNs, and smaller segments after an ICMP
// message as data out of order.
var verdictOf = map[string]verdict{
	"three-way-handshake":                {completeness: opened | hasFIN},
	"three-way-handshake-lost-syn":       {completeness: opened | hasFIN, found: "retransmission"},
	"three-way-handshake-lost-syn-ack":   {completeness: opened | hasFIN, found: "retransmission"},
	"three-way-handshake-lost-final-ack": {completeness: opened | hasFIN, found: "retransmission", excused: "duplicate_ack"},
	"connection-refused":                 {completeness: hasSYN | hasACK | hasRST}, // its RST acknowledges
	"simultaneous-open":                  {excused: "retransmission"},
	// The second SYN-ACK may have the lower number of the two: tshark takes it for a repetition.
	"old-duplicate-syn":        {found: "reused_ports", excused: "lost_segment ack_lost_segment retransmission"},
	"half-open-peer-restarted": {completeness: opened | hasData | hasRST},
	"four-way-close":           {completeness: complete},
	"three-segment-close":      {completeness: opened | hasFIN},
	"simultaneous-close":       {completeness: opened | hasFIN},
	"half-close":               {completeness: complete},
	"lost-last-ack":            {completeness: opened | hasFIN, found: "retransmission", excused: "duplicate_ack"},
	"no-time-wait":             {found: "reused_ports"},
	"linger-zero":              {completeness: opened | hasData | hasRST},
	"close-with-unread-data":   {completeness: opened | hasData | hasRST},
	"zero-window":              {completeness: complete, found: "zero_window zero_window_probe"},
	"nagle-and-delayed-ack":    {completeness: complete},
	"fast-retransmit":          {completeness: complete, found: "retransmission fast_retransmission duplicate_ack"},
	"tail-loss":                {completeness: complete, found: "retransmission"},
	"spurious-timeout":         {completeness: complete, found: "spurious_retransmission", excused: "retransmission duplicate_ack"},
	"path-mtu":                 {completeness: complete, excused: "retransmission out_of_order duplicate_ack"},
	"black-hole":               {completeness: complete, found: "retransmission", excused: "out_of_order duplicate_ack"},
	"keepalive-dead-peer":      {found: "keep_alive"},
	"urgent-data":              {completeness: complete},
	"syn-flood":                {found: "retransmission"},
	"withheld-third-ack":       {found: "retransmission"},
}

// troubles are the fields of tcp.analysis that tell of trouble.
var troubles = []string{"retransmission", "fast_retransmission", "spurious_retransmission", "duplicate_ack", "lost_segment",
	"out_of_order", "zero_window", "zero_window_probe", "keep_alive", "reused_ports", "ack_lost_segment"}

// tshark finds nothing broken in any scenario's packets, says of each what its name says, and counts the same connections
// as we do.
func TestCapturesInTshark(t *testing.T) {
	if testing.Short() {
		t.Skip("a second for each scenario")
	}
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("tshark is not installed")
	}
	for _, s := range lab.Scenarios() {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			text, file := captureOf(t, resultOf(t, s.Name, lab.Options{})), filepath.Join(t.TempDir(), "capture.pcapng")
			if err := os.WriteFile(file, text, 0o644); err != nil {
				t.Fatal(err)
			}
			packets := readFields(t, tshark, file)
			if want, ok := verdictOf[s.Name]; ok {
				want.check(t, packets)
			}
			sameStreams(t, connsOf(t, text), packets)
		})
	}
}

// Of captures that begin anywhere in a connection, too, we count the connections and call as complete what tshark does.
func TestCapturesFromTheMiddleInTshark(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil || testing.Short() {
		t.Skip("-short, or tshark is not installed")
	}
	text := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	for _, v := range []uint32{2 | 4<<16, 0, 0, 1 << 16, 101} {
		text = binary.LittleEndian.AppendUint32(text, v)
	}
	streams := 0
	for i, s := range lab.Scenarios() {
		packets := resultOf(t, s.Name, lab.Options{}).Packets
		for from := range min(len(packets), 6) {
			for _, p := range packets[from:] {
				if len(p.Data) < 20 || p.Data[0]>>4 != 4 {
					continue
				}
				streams++
				data := bytes.Clone(p.Data)
				for _, at := range []int{12, 16} { // each has addresses of its own
					data[at+1], data[at+2] = byte(i), byte(from)
				}
				for _, v := range []int{streams / 1000, streams % 1000 * 1000, len(data), len(data)} {
					text = binary.LittleEndian.AppendUint32(text, uint32(v))
				}
				text = append(text, data...)
			}
		}
	}
	file := filepath.Join(t.TempDir(), "capture.pcap")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	sameStreams(t, connsOf(t, text), readFields(t, tshark, file))
}

// sameStreams compares our connections with tshark's streams: how complete each is, and its name for other tools.
func sameStreams(t *testing.T, conns []*capture.Conn, packets []map[string]string) {
	t.Helper()
	completeness, names := map[int]int{}, map[int]string{}
	for _, p := range packets {
		if n, err := strconv.Atoi(p["tcp.stream"]); err == nil { // it is TCP
			completeness[n], _ = strconv.Atoi(p["tcp.completeness"])
			names[n] = p["communityid"]
		}
	}
	if len(conns) != len(completeness) {
		t.Fatalf("%d connections, tshark has %d streams", len(conns), len(completeness))
	}
	for i, c := range conns {
		if int(c.Completeness) != completeness[i] {
			t.Errorf("stream %d: completeness %d, tshark has %d", i, c.Completeness, completeness[i])
		}
		if names[i] != "" && c.CommunityID() != names[i] {
			t.Errorf("stream %d: Community ID %s, tshark has %s", i, c.CommunityID(), names[i])
		}
	}
}

// readFields returns a map of fields for every packet. The bytes of the
// scenarios are not HTTP, so tshark must not put them together as if they were.
func readFields(t *testing.T, tshark, file string) (packets []map[string]string) {
	t.Helper()
	names := []string{"tcp.stream", "tcp.completeness", "communityid", "_ws.malformed", "tcp.checksum.status", "ip.checksum.status"}
	for _, f := range troubles {
		names = append(names, "tcp.analysis."+f)
	}
	args := []string{"-2", "-r", file, "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "--disable-protocol", "http",
		"--enable-protocol", "communityid", "-T", "fields", "-E", "occurrence=f"}
	for _, n := range names {
		args = append(args, "-e", n)
	}
	out, err := exec.Command(tshark, args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		p := map[string]string{}
		for i, value := range strings.Split(strings.TrimSuffix(line, "\n"), "\t") {
			p[names[i]] = value
		}
		packets = append(packets, p)
	}
	return packets
}

func (want *verdict) check(t *testing.T, packets []map[string]string) {
	t.Helper()
	completeness := 0
	count := map[string]int{}
	for i, p := range packets {
		const bad = "0"
		if p["_ws.malformed"] != "" || p["tcp.checksum.status"] == bad || p["ip.checksum.status"] == bad {
			t.Errorf("packet %d: %v", i+1, p)
		}
		if n, err := strconv.Atoi(p["tcp.completeness"]); err == nil && p["tcp.stream"] == "0" {
			completeness |= n
		}
		for _, f := range troubles {
			if p["tcp.analysis."+f] != "" {
				count[f]++
			}
		}
	}
	if want.completeness != 0 && completeness != want.completeness {
		t.Errorf("tcp.completeness is %d, want %d", completeness, want.completeness)
	}
	found, excused := strings.Fields(want.found), strings.Fields(want.excused)
	for _, f := range troubles {
		switch {
		case slices.Contains(found, f) && count[f] == 0:
			t.Errorf("no tcp.analysis.%s", f)
		case count[f] > 0 && !slices.Contains(found, f) && !slices.Contains(excused, f):
			t.Errorf("tcp.analysis.%s %d times", f, count[f])
		}
	}
}
