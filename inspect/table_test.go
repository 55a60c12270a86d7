package inspect

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast/engine/tcp"
)

var rewrite = flag.Bool("rewrite", false, "write the golden tables anew")

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s:\n%s\nwant:\n%s", name, got, want)
	}
}

func at(s string) Endpoint { return endpoint(netip.MustParseAddrPort(s)) }

func second(n float64) Seconds { return Seconds(n * 1e9) }

// samples are one row of each kind.
func samples() []Row {
	return []Row{
		{Proto: "tcp6", State: State(tcp.Listen), Local: Endpoint{Port: 80}, RecvQ: 3, SendQ: 4096, Listen: &Listen{12, 40, 20, 1, 2}},
		{Proto: "tcp", State: State(tcp.Listen), Local: at("0.0.0.0:443"), Remote: Endpoint{Addr: netip.IPv4Unspecified()}, SendQ: 128, Listen: &Listen{}},
		{Proto: "tcp", State: State(tcp.SynReceived), Local: at("10.77.0.2:80"), Remote: at("198.51.100.7:1024"), Timer: "on", Expires: second(0.2)},
		{Proto: "tcp", State: State(tcp.SynReceived), Local: at("10.77.0.2:80"), Remote: at("203.0.113.99:65535"), Timer: "on", Expires: second(3.009), Retrans: 2},
		{Proto: "tcp", State: State(tcp.Established), Local: at("10.77.0.2:80"), Remote: at("10.77.0.1:50000"), RecvQ: 5, SendQ: 2896,
			Timer: "keepalive", Expires: second(14.651), Process: &Process{Name: "handfast", PID: 42}, Details: &Details{
				Congestion: "reno", Options: []string{"ts", "sack"}, Wscale: &[2]int{7, 5}, RTO: second(0.204), RTT: second(0.0012), RTTVar: second(0.0004),
				MSS: 1448, PMTU: 1500, AdvMSS: 1460, Cwnd: 10, Ssthresh: 7, BytesSent: 5000, BytesRetrans: 1448, BytesAcked: 2104, SegsOut: 9, SegsIn: 8,
				DataSegsOut: 4, LastSnd: second(0.012), LastAck: second(0.010), Unacked: 2, Retrans: 0, TotalRetrans: 3, RcvSpace: 65536,
				NotSent: 100, SndWnd: 64512, AppLimited: true, Memory: &[9]uint32{5, 1 << 20, 2796, 1 << 20, 0, 2896}}},
		{Proto: "tcp6", State: State(tcp.FinWait2), Local: at("[fd77::2]:80"), Remote: at("[fd77::1]:50001"), Timer: "timewait", Expires: second(59)},
		{Proto: "tcp6", State: State(tcp.TimeWait), Local: at("[fd77::2]:80"), Remote: at("[fd77::1]:50002"), Timer: "timewait", Expires: second(90)},
	}
}

// kernelSamples are what only a kernel tells, UDP sockets, and two commands.
func kernelSamples() []Row {
	yes, no, fd, shut, mark, class := true, false, 7, uint8(1), uint8(0xb8), uint32(0x100001)
	return []Row{
		{Proto: "udp6", State: State(tcp.Closed), Local: Endpoint{Port: 53}, RecvQ: 832, Device: "hf0", Process: &Process{Name: "handfast", PID: 42}, Command: "serve",
			Socket: &Socket{V6Only: &no, Shutdown: new(uint8)}, Details: &Details{Memory: &[9]uint32{832, 1 << 20}}},
		{Proto: "udp", State: State(tcp.Established), Local: at("10.77.0.2:40000"), Remote: at("10.77.0.1:53"), Autobound: true},
		{Proto: "tcp6", State: State(tcp.Listen), Local: at("[::]:9092"), Remote: at("[::]:0"), RecvQ: 1, SendQ: 5, UID: 33, Inode: 23585, Queue: &Fill{8, 5},
			Process: &Process{Name: "python3", PID: 7, FD: &fd}, Sharers: []Process{{Name: "python3", PID: 8, FD: &fd}}, Socket: &Socket{Cookie: 0xa0f, Mark: 16, Cgroup: "/web", V6Only: &yes, Shutdown: new(uint8), TOS: new(uint8), TClass: &mark, Class: &class},
			Details: &Details{Congestion: "bbr", Cwnd: 10, Unacked: 1}},
		{Proto: "tcp", State: State(tcp.CloseWait), Local: at("127.0.0.1:54428"), Remote: at("127.0.0.1:9090"), RecvQ: 1, Inode: 23592,
			Socket: &Socket{Cookie: 8, Shutdown: &shut}, Details: &Details{Options: []string{"ts", "sack", "ecn"}, Congestion: "bbr", RTO: second(3), RTT: second(0.000039), RTTVar: second(0.000019),
				MSS: 32768, Cwnd: 10, PacingRate: 23985435408, MaxPacingRate: 125e6, DeliveryRate: 4416000000, Delivered: 2, DeliveredCE: 1, BusyTime: second(2), RwndLimited: second(0.5),
				SndbufLimited: second(0.01), Lost: 3, Sacked: 4, DsackDups: 1, Reordering: 9, ReordSeen: 2, RcvRTT: second(0.0012), RcvSpace: 65476, RcvSsthresh: 70173, RcvOOOPack: 6,
				MinRTT: second(0.000008), SndWnd: 65536, BBR: &BBR{4416000000, second(0.000008), 2.88672, 2}}},
	}
}

func TestSSOfKernel(t *testing.T) {
	defence := &Defence{HalfOpen: 8, MaxHalfOpen: 12, SynAckRetries: 5, Cookies: "auto"}
	names := func(proto string, port uint16) string {
		return map[string]string{"udp53": "domain"}[proto+fmt.Sprint(port)]
	}
	report := Report{Header: Header{Defence: defence}, Rows: kernelSamples()}
	report.Defend()
	for name, o := range map[string]SSOptions{
		"ss-kernel-eip.txt": {Netid: true, Extended: true, Info: true, Process: true, TOS: true},
		"ss-kernel-iO.txt":  {Netid: true, Command: true, Info: true, OneLine: true, Memory: true, Service: names},
	} {
		var b bytes.Buffer
		if err := WriteSS(&b, report.Rows, o); err != nil {
			t.Fatal(err)
		}
		golden(t, name, b.String())
	}
}

// Links with their routes, one that has gone, and one that refuses; sockets counted.
func TestNetstatLinks(t *testing.T) {
	to := netip.MustParsePrefix
	all := []Link{
		{Name: "hf0", MTU: 1500, Flags: "RU", Packets: &Packets{Received: 12, Sent: 7}, Routes: []Route{
			{Destination: to("10.77.0.0/24"), Flags: "U"}, {Destination: to("0.0.0.0/0"), Gateway: netip.MustParseAddr("10.77.0.1"), Flags: "UG"},
			{Destination: to("fd77::/64"), Flags: "U"}, {Destination: to("::/0"), Gateway: netip.MustParseAddr("fd77::1"), Flags: "UG"}}},
		{Name: "hf1", MTU: 9000, Gone: "unplugged", Routes: []Route{{Destination: to("10.78.0.0/24"), Flags: "!"}}},
		{Name: "lo", MTU: 65536, Flags: "LRU", Packets: &Packets{3, 4, &[6]int64{1, 2, 3, 4, 5, 6}}},
		{Name: "*", Routes: []Route{{Destination: to("203.0.113.0/24"), Flags: "!"}}},
	}
	var b bytes.Buffer
	for _, write := range []func() error{
		func() error { return WriteRoutes(&b, all, LinkOptions{}) },
		func() error { return WriteRoutes(&b, all, LinkOptions{Numeric: true, Extended: true, Kernel: true}) },
		func() error { return WriteRoutes(&b, all, LinkOptions{IPv6: true}) },
		func() error { return WriteInterfaces(&b, all, LinkOptions{}) },
		func() error { return WriteInterfaces(&b, all, LinkOptions{All: true, Kernel: true}) },
		func() error { return WriteSummary(&b, Summarize(append(samples(), kernelSamples()...))) },
	} {
		if err := write(); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "netstat-ri.txt", b.String())
}

func TestFilterByDevice(t *testing.T) {
	rows := kernelSamples()
	rows[3].Link = "hf1"
	for text, want := range map[string]int{"dev hf0": 1, "dev = hf1": 1, "dev != hf0": 3, "autobound": 1, "not autobound and sport = :53": 1} {
		f, err := ParseFilter(text, ShowAll)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Apply(rows); len(got) != want {
			t.Errorf("%s: %d rows, want %d", text, len(got), want)
		}
	}
	if _, err := ParseFilter("dev", ShowAll); err == nil {
		t.Error("no error")
	}
}

func TestSS(t *testing.T) {
	defence := &Defence{HalfOpen: 12, MaxHalfOpen: 4096, SynAckRetries: 5, Cookies: "auto"}
	names := func(_ string, port uint16) string { return map[uint16]string{80: "http"}[port] }
	report := Report{Header: Header{Defence: defence}, Rows: samples()}
	report.Defend()
	for name, o := range map[string]SSOptions{
		"ss.txt":    {},
		"ss-o.txt":  {Timers: true},
		"ss-im.txt": {Info: true, Memory: true, Headless: true},
		"ss-ep.txt": {Extended: true, Process: true, Service: names},
		"ss-iO.txt": {Info: true, OneLine: true},
	} {
		var b bytes.Buffer
		if err := WriteSS(&b, report.Rows, o); err != nil {
			t.Fatal(err)
		}
		golden(t, name, b.String())
	}
}

// With a single state there is no column for it.
func TestSSOneState(t *testing.T) {
	var b bytes.Buffer
	f, err := ParseFilter("state syn-recv", ShowConnected)
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteSS(&b, f.Apply(samples()), SSOptions{Timers: true, OneState: f.OneState()}); err != nil {
		t.Fatal(err)
	}
	golden(t, "ss-state.txt", b.String())
}

func TestNetstat(t *testing.T) {
	for name, o := range map[string]NetstatOptions{
		"netstat.txt":         {Title: "Active Internet connections (servers and established)"},
		"netstat-po.txt":      {Process: true, Timers: true},
		"netstat-bsd.txt":     {StateName: tcp.State.BSD},
		"netstat-windows.txt": {StateName: tcp.State.Windows},
	} {
		var b bytes.Buffer
		if err := WriteNetstat(&b, samples(), o); err != nil {
			t.Fatal(err)
		}
		golden(t, name, b.String())
	}
}

func TestStatistics(t *testing.T) {
	var b bytes.Buffer
	err := WriteStatistics(&b, map[string]map[string]uint64{
		"TcpExt": {"SyncookiesSent": 5, "SyncookiesRecv": 0, "TCPReqQFullDrop": 7, "TimeWaitOverflow": 0},
		"Tcp":    {"InSegs": 10, "PassiveOpens": 0, "OutRsts": 2}, "Icmp": {}})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "netstat-s.txt", b.String())
}

func TestMetricsText(t *testing.T) {
	r := &Report{Rows: samples(), Header: Header{Defence: &Defence{HalfOpen: 2, MaxHalfOpen: 4096, Attacks: 1},
		Flood: &Flood{Level: "flash crowd"}, Drops: map[string]uint64{"accept queue full": 3},
		Counters: map[string]map[string]uint64{"TcpExt": {"SyncookiesSent": 5}}}}
	var b bytes.Buffer
	if err := writeMetrics(&b, r); err != nil {
		t.Fatal(err)
	}
	golden(t, "metrics.txt", b.String())
	for line := range strings.Lines(b.String()) {
		if !strings.HasPrefix(line, "#") && (strings.Contains(line, "10.77") || strings.Contains(line, "fd77")) {
			t.Error("an address:", line)
		}
	}
}

func TestTimerTexts(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "000ms", 45 * time.Millisecond: "045ms", 200 * time.Millisecond: "200ms", 5120 * time.Millisecond: "5.120ms",
		9 * time.Second: "9sec", 14651 * time.Millisecond: "14sec", 59 * time.Second: "59sec", 90 * time.Second: "1min30sec",
		60 * time.Second: "1min", 12*time.Minute + 5*time.Second: "12min",
	} {
		if got := ssTime(Seconds(d)); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

// What is written as JSON is read back as it was.
func TestJSON(t *testing.T) {
	was := &Report{Header: Header{Source: "handfast", Name: "test", PID: 7, Time: time.Unix(1, 0).UTC(), Defence: &Defence{Cookies: "auto"}}, Rows: samples()}
	var b bytes.Buffer
	if err := writeReport(&b, was); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(b.String(), "\n"); lines != 1+len(was.Rows) {
		t.Errorf("%d lines for %d rows", lines, len(was.Rows))
	}
	first := b.String()
	is, err := readReport(&b)
	if err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	if err := writeReport(&again, is); err != nil || again.String() != first {
		t.Errorf("%v:\n%s\nwas:\n%s", err, again.String(), first)
	}
	if is.Rows[2].State != State(tcp.SynReceived) || is.Rows[2].Expires != second(0.2) || is.Rows[2].Remote != at("198.51.100.7:1024") {
		t.Errorf("%+v", is.Rows[2])
	}
	var s State
	for _, spelling := range []string{"SYN-RECEIVED", "SYN-RECV", "SYN_RECV", "SYN_RCVD", "SYN_RECEIVED"} {
		if err := json.Unmarshal([]byte(`"`+spelling+`"`), &s); err != nil || s != State(tcp.SynReceived) {
			t.Error(spelling, s, err)
		}
	}
	if err := json.Unmarshal([]byte(`"ASLEEP"`), &s); err == nil {
		t.Error("a state that is none was taken")
	}
}

// What a connection of ours tells of ECN stands where ss -i has it.
func TestDetailsOfECN(t *testing.T) {
	for want, i := range map[string]tcp.Info{
		"ts sack": {Timestamps: true, SACK: true}, "sack ecn": {SACK: true, ECN: true}, "ecn ecnseen": {ECN: true, ECNSeen: true}, "ecn accecn ecnseen": {ECN: true, AccECN: true, ECNSeen: true},
	} {
		i.DeliveredCE = 7
		if d := details(&i); strings.Join(d.Options, " ") != want || d.DeliveredCE != 7 {
			t.Errorf("%v, %d marked; want %s", d.Options, d.DeliveredCE, want)
		}
	}
}

// netstat has 19 bytes for PID and name, which may end within a letter of the name.
func TestNetstatCutsProgramNames(t *testing.T) {
	for name, want := range map[string]string{"curl": "12345/curl", "handfast.test": "12345/handfast.test", "handfast-relay": "12345/handfast-rela", "abcdefghijkl这": "12345/abcdefghijkl"} {
		if got := (&Process{PID: 12345, Name: name}).netstat(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestWriteGroups(t *testing.T) {
	links := []Link{{Name: "tun0", Groups: map[netip.Addr]int{netip.MustParseAddr("ff15::7"): 1, netip.MustParseAddr("239.1.2.3"): 2}}, {Name: "a-long-name-of-16"}}
	const head = "IPv6/IPv4 Group Memberships\nInterface       RefCnt Group\n--------------- ------ ---------------------\n"
	four, six := "tun0            2      239.1.2.3\n", "tun0            1      ff15::7\n"
	for family, want := range map[int]string{0: four + six, 4: four, 6: six} {
		var b bytes.Buffer
		if err := WriteGroups(&b, links, family); err != nil || b.String() != head+want {
			t.Errorf("%d: %v\n%s", family, err, &b)
		}
	}
}
