package main

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

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/handfast-tcp/handfast/lab"
)

// collected is what a collector has of messages.
type collected struct {
	records, sequence    uint32
	octets, packets      [2]uint64 // from the client, from the server
	reasons              map[byte]int
	templates, sequences int // sequences: that were wrong
}

// take reads a message as the templates of lab/ipfix, for IPv4, lay it out.
func (c *collected) take(t *testing.T, m []byte) {
	t.Helper()
	if len(m) < 16 || binary.BigEndian.Uint16(m) != 10 || int(binary.BigEndian.Uint16(m[2:])) != len(m) {
		t.Fatalf("no message: %x", m)
	}
	if binary.BigEndian.Uint32(m[8:]) != c.sequence {
		c.sequences++
	}
	for b := m[16:]; len(b) >= 4; {
		id, size := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		set := b[4:size]
		b = b[size:]
		if id == 2 {
			c.templates++
			continue
		}
		const record = 8 + 5 + 4 + 6*8 + 2
		if id != 256 || len(set)%record != 0 {
			t.Fatalf("a set %d of %d bytes", id, len(set))
		}
		for ; len(set) > 0; set = set[record:] {
			for i := range 2 {
				c.octets[i] += binary.BigEndian.Uint64(set[17+16*i:])
				c.packets[i] += binary.BigEndian.Uint64(set[25+16*i:])
			}
			c.reasons[set[record-2]]++
			c.records, c.sequence = c.records+1, c.sequence+1
		}
	}
}

// collect has a capture analyzed with a collector that is ours.
func collect(t *testing.T, args ...string) *collected {
	t.Helper()
	in, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := in.SetReadBuffer(1 << 20); err != nil {
		t.Fatal(err)
	}
	if _, errs, err := analyzed(t, append(args, "--ipfix", in.LocalAddr().String())...); err != nil || strings.Contains(errs, "--ipfix") {
		t.Fatalf("%v: %s", err, errs)
	}
	// All is in the socket: a message to itself is the last.
	end, err := net.Dial("udp", in.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer end.Close()
	if _, err := end.Write([]byte("end")); err != nil {
		t.Fatal(err)
	}
	c := &collected{reasons: map[byte]int{}}
	for b := make([]byte, 1<<16); ; {
		n, err := in.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		if string(b[:n]) == "end" {
			return c
		}
		c.take(t, b[:n])
	}
}

// A capture's connections go to a collector with what each side has sent and why they
// ended; --where chooses among them; a flood is a record for each interval.
func TestAnalyzeFlows(t *testing.T) {
	dir := t.TempDir()
	for name, reason := range map[string]byte{"half-close": 3, "fast-retransmit": 3, "connection-refused": 3} {
		file := filepath.Join(dir, name)
		whole := captureOf(t, resultOf(t, name, lab.Options{}))
		if err := os.WriteFile(file, whole, 0o644); err != nil {
			t.Fatal(err)
		}
		want := &collected{}
		for _, c := range connsOf(t, whole) {
			want.records++
			for i := range c.Sides {
				want.octets[i] += uint64(c.Sides[i].IPBytes)
				want.packets[i] += uint64(c.Sides[i].Packets)
			}
		}
		got := collect(t, file)
		if got.records != want.records || got.octets != want.octets || got.packets != want.packets || got.reasons[reason] != int(want.records) || got.templates == 0 || got.sequences > 0 {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
		if got := collect(t, file, "--where", "dport = :1"); got.records != 0 {
			t.Errorf("%s: %d records of connections that were not asked for", name, got.records)
		}
	}
	file := floodFile(t)
	if got := collect(t, file); got.records != 1 || got.packets != [2]uint64{20_000, 0} || got.octets != [2]uint64{40 * 20_000, 0} || got.reasons[2] != 1 {
		t.Errorf("flood: %+v", got)
	}
	if _, _, err := analyzed(t, file, "--ipfix", "nowhere"); err == nil || !strings.Contains(err.Error(), "127.0.0.1:4739") {
		t.Errorf("a collector without a port: %v", err)
	}
}

// The same records go to Kafka, of a flood one, too; a broker that nobody has is said at once.
func TestAnalyzeFlowsToKafka(t *testing.T) {
	c, err := kfake.NewCluster(kfake.SeedTopics(1, "flows"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	brokers := strings.Join(c.ListenAddrs(), ",")
	file := filepath.Join(t.TempDir(), "half-close")
	if err := os.WriteFile(file, captureOf(t, resultOf(t, "half-close", lab.Options{})), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{file, floodFile(t)} {
		if _, errs, err := analyzed(t, file, "--kafka", "kafka://"+brokers+"/flows"); err != nil || strings.Contains(errs, "--kafka") {
			t.Fatalf("%v: %s", err, errs)
		}
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.ConsumeTopics("flows"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var texts []string
	for len(texts) < 2 {
		got := client.PollFetches(t.Context())
		if err := got.Err(); err != nil {
			t.Fatal(err)
		}
		got.EachRecord(func(r *kgo.Record) { texts = append(texts, string(r.Value)) })
	}
	if !strings.Contains(texts[0], `"end_reason":"end of flow detected"`) || !strings.Contains(texts[1], `"forward":{"packets":20000,"octets":800000,"flags":"S"}`) {
		t.Error(texts)
	}
	if _, _, err := analyzed(t, file, "--kafka", "kafka://127.0.0.1:1/flows"); err == nil || !strings.Contains(err.Error(), "no broker answers") {
		t.Errorf("no broker: %v", err)
	}
}

// nfcapd has as many flows, and as much both ways, as the capture.
func TestNfcapdCollectsOfCaptures(t *testing.T) {
	nfcapd, err := exec.LookPath("nfcapd")
	if err != nil {
		t.Skip("nfcapd (Debian: nfdump) is not here")
	}
	dir := t.TempDir()
	whole := captureOf(t, resultOf(t, "fast-retransmit", lab.Options{}))
	file := filepath.Join(dir, "capture")
	if err := os.WriteFile(file, whole, 0o644); err != nil {
		t.Fatal(err)
	}
	free, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.LocalAddr().String()
	free.Close()
	_, port, _ := net.SplitHostPort(address)
	cmd := exec.Command(nfcapd, "-b", "127.0.0.1", "-p", port, "-w", dir, "-t", "3600")
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = cmd.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(log)
	said := ""
	until := func(word string) {
		for lines.Scan() {
			said += lines.Text() + "\n"
			if word != "" && strings.Contains(lines.Text(), word) {
				return
			}
		}
	}
	until("Startup nfcapd")
	if _, errs, err := analyzed(t, file, "--ipfix", address); err != nil || strings.Contains(errs, "--ipfix") {
		t.Fatalf("%v: %s", err, errs)
	}
	awaitRead(t, port)
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	until("")
	cmd.Wait()
	files, _ := filepath.Glob(filepath.Join(dir, "nfcapd.2*"))
	if len(files) != 1 || !strings.Contains(said, "Sequence Errors: 0") {
		t.Fatalf("%d files of nfcapd's: %s", len(files), said)
	}
	out, err := exec.Command("nfdump", "-r", files[0], "-q", "-o", "fmt:%ipkt %ibyt %opkt %obyt").Output()
	if err != nil {
		t.Fatal(err)
	}
	c := connsOf(t, whole)[0]
	want := fmt.Sprint(c.Sides[1].Packets, c.Sides[1].IPBytes, c.Sides[0].Packets, c.Sides[0].IPBytes)
	other := fmt.Sprint(c.Sides[0].Packets, c.Sides[0].IPBytes, c.Sides[1].Packets, c.Sides[1].IPBytes)
	if got := strings.Join(strings.Fields(string(out)), " "); got != want && got != other {
		t.Errorf("nfdump has %q, want %q; nfcapd: %s", got, want, said)
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
