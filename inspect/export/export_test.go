package export_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/account"
	"github.com/handfast-tcp/handfast/inspect/export"
	"github.com/handfast-tcp/handfast/inspect/internal/flows"
)

// collector takes messages until it has so many records.
type collector struct {
	net.PacketConn
	records, messages uint64
	templates         int
}

func (c *collector) take(t *testing.T, records uint64) {
	t.Helper()
	b := make([]byte, 1<<16)
	for c.records < records {
		c.SetReadDeadline(time.Now().Add(time.Minute))
		n, _, err := c.ReadFrom(b)
		if err != nil {
			t.Fatalf("after %d records: %v", c.records, err)
		}
		c.message(t, b[:n])
	}
}

// message reads what RFC 7011 §3 says of a message.
func (c *collector) message(t *testing.T, m []byte) {
	t.Helper()
	sizes := map[uint16]int{256: 67, 257: 91}
	if len(m) < 16 || binary.BigEndian.Uint16(m) != 10 || int(binary.BigEndian.Uint16(m[2:])) != len(m) || len(m) > 1232 {
		t.Fatalf("a message of %d bytes: % x", len(m), m[:min(len(m), 16)])
	}
	if s := binary.BigEndian.Uint32(m[8:]); uint64(s) != c.records {
		t.Fatalf("sequence number %d after %d records", s, c.records)
	}
	c.messages++
	for set := m[16:]; len(set) > 0; {
		id, n := binary.BigEndian.Uint16(set), int(binary.BigEndian.Uint16(set[2:]))
		switch size := sizes[id]; {
		case n < 4 || n > len(set):
			t.Fatalf("a set of %d bytes in %d", n, len(set))
		case id == 2:
			c.templates++
		case size == 0 || (n-4)%size != 0 || n == 4:
			t.Fatalf("set %d has %d bytes", id, n)
		default:
			c.records += uint64((n - 4) / size)
		}
		set = set[n:]
	}
}

func listenUDP(t *testing.T) *collector {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &collector{PacketConn: c}
}

// A record goes to the collector for each connection, and each message is one of RFC 7011.
func TestExportFlows(t *testing.T) {
	from, to, l := flows.Pair(t, account.Keep{})
	c := listenUDP(t)
	x, err := export.Flows(to, c.LocalAddr().String(), export.Options{})
	if err != nil {
		t.Fatal(err)
	}
	flows.Talk(t, from, l, 60)
	c.take(t, 60)
	x.Close()
	if s := x.Stats(); s.Records != 60 || s.Lost != 0 || s.Err != nil || c.templates == 0 {
		t.Errorf("%+v, %d templates", s, c.templates)
	}
}

// nfcapd reads what we say: as many flows, packets, octets both ways, flags and ends as the
// host has accounted for.
func TestNfcapdCollects(t *testing.T) {
	nfcapd, err := exec.LookPath("nfcapd")
	if err != nil {
		t.Skip("nfcapd (Debian: nfdump) is not here")
	}
	const conns = 1000
	from, to, l := flows.Pair(t, account.Keep{})
	watch := to.WatchEvents(handfast.EventFilter{Flows: true, Queue: conns})
	dir := t.TempDir()
	free := listenUDP(t)
	address := free.LocalAddr().String()
	_, port, _ := net.SplitHostPort(address)
	free.Close()
	cmd := exec.Command(nfcapd, "-b", "127.0.0.1", "-p", port, "-w", dir, "-t", "3600")
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = cmd.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := make(chan string, 1)
	lines := bufio.NewScanner(log)
	ready := make(chan struct{})
	go func() {
		var all strings.Builder
		for lines.Scan() {
			all.WriteString(lines.Text() + "\n")
			if strings.Contains(lines.Text(), "Startup nfcapd") {
				close(ready)
			}
		}
		said <- all.String()
	}()
	<-ready
	x, err := export.Flows(to, address, export.Options{})
	if err != nil {
		t.Fatal(err)
	}
	flows.Talk(t, from, l, conns)
	want := sumOf(t, watch, conns)
	x.Close()
	awaitRead(t, port)
	cmd.Process.Signal(os.Interrupt)
	text := <-said
	cmd.Wait()
	if !strings.Contains(text, "Sequence Errors: 0") || !strings.Contains(text, "Bad Packets: 0") {
		t.Errorf("nfcapd: %s", text)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "nfcapd.2*"))
	if len(files) != 1 {
		t.Fatalf("%d files of nfcapd's: %s", len(files), text)
	}
	out, err := exec.Command("nfdump", "-r", files[0], "-q", "-o", "fmt:%ipkt|%ibyt|%opkt|%obyt|%flg").Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := readNfdump(t, string(out)); got != want {
		t.Errorf("nfdump has %+v, the host %+v", got, want)
	}
}

// awaitRead waits until a program has read all that came for its UDP socket.
func awaitRead(t *testing.T, port string) {
	t.Helper()
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	waiting := regexp.MustCompile(fmt.Sprintf(`:%04X [0-9A-F]+:0000 [0-9A-F]{2} [0-9A-F]{8}:(0*[1-9A-F][0-9A-F]*) `, n))
	for {
		table, err := os.ReadFile("/proc/net/udp")
		if err != nil {
			t.Skip(err) // not Linux
		}
		if !waiting.Match(table) {
			return
		}
		runtime.Gosched()
	}
}

// sum is what both count.
type sum struct {
	flows, inPackets, inOctets, outPackets, outOctets, resets uint64
}

func sumOf(t *testing.T, w *handfast.EventWatch, flows int) (s sum) {
	t.Helper()
	for s.flows < uint64(flows) {
		b, err := w.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range b.Flows {
			s.flows++
			s.inPackets, s.inOctets = s.inPackets+f.Received.Packets, s.inOctets+f.Received.Octets
			s.outPackets, s.outOctets = s.outPackets+f.Sent.Packets, s.outOctets+f.Sent.Octets
			if f.Ending == account.Reset {
				s.resets++
			}
		}
	}
	return s
}

var spaces = regexp.MustCompile(`\s+`)

func readNfdump(t *testing.T, text string) (s sum) {
	t.Helper()
	for line := range strings.Lines(text) {
		words := strings.Split(spaces.ReplaceAllString(line, ""), "|")
		if len(words) != 5 {
			continue
		}
		s.flows++
		for i, to := range []*uint64{&s.inPackets, &s.inOctets, &s.outPackets, &s.outOctets} {
			n, err := strconv.ParseUint(words[i], 10, 64)
			if err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			*to += n
		}
		if strings.Contains(words[4], "R") {
			s.resets++
		}
	}
	return s
}
