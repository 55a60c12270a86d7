package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/engine/buf"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/stream"
)

// handfastVM is handfast vm in a process of its own, of which told is what it has said so far.
type handfastVM struct {
	*testing.T
	cmd  *exec.Cmd
	told *bytes.Buffer
	more chan string
}

func startVM(t *testing.T, args ...string) *handfastVM {
	t.Helper()
	v := &handfastVM{T: t, cmd: exec.Command("/proc/self/exe"), told: new(bytes.Buffer), more: make(chan string, 1000)}
	v.cmd.Args = append([]string{"handfast", "vm", "--map", "192.168.127.1=127.0.0.1"}, args...)
	v.cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+t.TempDir())
	pipe, err := v.cmd.StderrPipe()
	if err == nil {
		err = v.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.cmd.Process.Kill() })
	go func() {
		defer close(v.more)
		memory := make([]byte, 4096)
		for {
			n, err := pipe.Read(memory)
			if err != nil {
				return
			}
			v.more <- string(memory[:n])
		}
	}()
	v.await("Ctrl-C ends it")
	return v
}

// await waits until the command has said something.
func (v *handfastVM) await(what string) {
	v.Helper()
	for !strings.Contains(v.told.String(), what) {
		more, ok := <-v.more
		if v.told.WriteString(more); !ok {
			v.Fatalf("it has not said %q, but\n%s", what, v.told)
		}
	}
}

// interrupt ends the command, which leaves no socket behind.
func (v *handfastVM) interrupt(sockets ...string) {
	v.Helper()
	v.cmd.Process.Signal(syscall.SIGINT)
	for more := range v.more {
		v.told.WriteString(more)
	}
	if err := v.cmd.Wait(); err != nil {
		v.Errorf("after Ctrl-C: %v\n%s", err, v.told)
	}
	for _, s := range sockets {
		if _, err := os.Stat(s); !errors.Is(err, os.ErrNotExist) {
			v.Errorf("%s is left behind: %v", s, err)
		}
	}
}

// machine is one that our own stack plays.
type machine struct {
	*testing.T
	link    link.Link
	address link.HardwareAddr
	ip      netip.Addr
}

// startMachine connects to a socket as the programs do that speak its framing.
func startMachine(t *testing.T, kind, path string, n byte) *machine {
	t.Helper()
	network, framing := strings.TrimPrefix(kind, "hyperkit-"), stream.Message
	switch kind {
	case "unix":
		framing = stream.QEMU
	case "hyperkit", "hyperkit-bare":
		network, framing = "unix", stream.HyperkitBare
	}
	var from net.Addr
	if network == "unixgram" {
		from = &net.UnixAddr{Name: fmt.Sprint(path, "-", n), Net: network}
	}
	c, err := (&net.Dialer{LocalAddr: from}).Dial(network, path)
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{T: t, address: link.HardwareAddr{0x52, 0x54, 0, 0, 0, n}}
	if kind == "hyperkit" {
		if _, m.address, err = stream.DialHyperkit(c, "01234567-89ab-cdef-0123-456789abcdef"); err != nil {
			t.Fatal(err)
		}
	}
	if m.link, err = stream.New(c, stream.Options{Framing: framing, HardwareAddr: m.address}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.link.Close() })
	return m
}

// ask broadcasts a DHCP message until it is answered.
func (m *machine) ask(request *dhcpv4.DHCPv4, err error) *dhcpv4.DHCPv4 {
	m.Helper()
	if err != nil {
		m.Fatal(err)
	}
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: net.IPv4zero, DstIP: net.IPv4bcast}
	udp := &layers.UDP{SrcPort: 68, DstPort: 67}
	udp.SetNetworkLayerForChecksum(ip)
	out := gopacket.NewSerializeBuffer()
	err = gopacket.SerializeLayers(out, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
		&layers.Ethernet{SrcMAC: m.address[:], DstMAC: layers.EthernetBroadcast, EthernetType: layers.EthernetTypeIPv4},
		ip, udp, gopacket.Payload(request.ToBytes()))
	if err != nil {
		m.Fatal(err)
	}
	p := buf.NewPacket()
	p.Data = append(p.ReceiveInto(len(out.Bytes()))[:0], out.Bytes()...)
	if err := m.link.Write(0, []*buf.Packet{p}); err != nil {
		m.Fatal(err)
	}
	batch := make([]*buf.Packet, 1)
	for {
		if _, err := m.link.Read(0, batch); err != nil {
			m.Fatal(err)
		}
		frame := gopacket.NewPacket(bytes.Clone(batch[0].Data), layers.LayerTypeEthernet, gopacket.Default)
		batch[0].Release()
		if udp, ok := frame.TransportLayer().(*layers.UDP); ok && udp.DstPort == 68 {
			answer, err := dhcpv4.FromBytes(udp.Payload)
			if err != nil {
				m.Fatal(err)
			}
			if answer.TransactionID == request.TransactionID {
				return answer
			}
		}
	}
}

// boot gets an address by DHCP, and returns a host that has it.
func (m *machine) boot() *handfast.Host {
	m.Helper()
	offer := m.ask(dhcpv4.NewDiscovery(m.address[:]))
	if offer.MessageType() != dhcpv4.MessageTypeOffer {
		m.Fatalf("the answer to a discovery is %v", offer.Summary())
	}
	ack := m.ask(dhcpv4.NewRequestFromOffer(offer))
	if ack.MessageType() != dhcpv4.MessageTypeAck || !ack.YourIPAddr.Equal(offer.YourIPAddr) || len(ack.Router()) != 1 {
		m.Fatalf("the answer to a request is %v", ack.Summary())
	}
	m.ip, _ = netip.AddrFromSlice(ack.YourIPAddr.To4())
	gateway, _ := netip.AddrFromSlice(ack.Router()[0].To4())
	bits, _ := ack.SubnetMask().Size()
	h, err := handfast.New(handfast.Config{})
	if err == nil {
		err = h.Attach(m.link, handfast.LinkOptions{Addresses: []netip.Prefix{netip.PrefixFrom(m.ip, bits)}, Gateway: gateway})
	}
	if err != nil {
		m.Fatal(err)
	}
	m.Cleanup(func() { h.Close() })
	return h
}

var vmKinds = []string{"unix", "hyperkit", "hyperkit-bare", "unixgram", "unixpacket"}

// door is a --listen for machines of a kind.
func listenFor(t *testing.T, kind string) (listen, path string) {
	path = filepath.Join(t.TempDir(), "s")
	if kind == "hyperkit" {
		return "unix:" + path, path
	}
	return kind + ":" + path, path
}

// In each framing a machine gets an address, downloads and uploads, also on a bad
// network; the summary says so, and no socket is left.
func TestVMCarriesFiles(t *testing.T) {
	file := bytes.Repeat([]byte("0123456789abcdef"), 20_000)
	sum := fmt.Sprintf("%x", sha256.Sum256(file))
	url := "http://192.168.127.1:" + oneFile(t, file) + "/"
	for i, kind := range vmKinds {
		t.Run(kind, func(t *testing.T) {
			listen, path := listenFor(t, kind)
			args := []string{"--listen", listen}
			if i == 0 {
				args = append(args, "--duplicate", "2%", "--delay", "2ms", "--reorder", "5%")
			}
			v := startVM(t, args...)
			h := startMachine(t, kind, path, 1).boot()
			client := &http.Client{Transport: &http.Transport{DialContext: h.DialContext}}
			defer client.CloseIdleConnections()
			answer, err := client.Get(url)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(answer.Body)
			if err != nil || !bytes.Equal(got, file) {
				t.Errorf("%d bytes of %d came, %v", len(got), len(file), err)
			}
			request, _ := http.NewRequest(http.MethodPut, url, bytes.NewReader(file))
			if answer, err = client.Do(request); err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(answer.Body); err != nil || string(got) != sum {
				t.Errorf("%q arrived, %v", got, err)
			}
			client.CloseIdleConnections()
			v.interrupt(path)
			for _, want := range []string{"machine 1 has connected through " + listen, "192.168.127.2 is ", "tcp    192.168.127.1:"} {
				if !strings.Contains(v.told.String(), want) {
					t.Errorf("it does not say %q, but\n%s", want, v.told)
				}
			}
		})
	}
}

// Machines of all kinds are on one network and reach each other; programs here reach
// them by --publish; the one that goes is told.
func TestVMMachinesReachEachOther(t *testing.T) {
	here, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := here.Addr().(*net.TCPAddr).Port
	here.Close()
	args := []string{"--publish", fmt.Sprintf("%d:192.168.127.2:7", port)}
	var sockets []string
	for _, kind := range vmKinds {
		listen, path := listenFor(t, kind)
		args, sockets = append(args, "--listen", listen), append(sockets, path)
	}
	v := startVM(t, args...)
	var first *machine
	for i, kind := range vmKinds {
		m := startMachine(t, kind, sockets[i], byte(i+1))
		h := m.boot()
		if first == nil {
			first = m
			l, err := h.Listen("tcp", ":7")
			if err != nil {
				t.Fatal(err)
			}
			go echo(l)
			checkEcho(t, (&net.Dialer{}).Dial, fmt.Sprintf("127.0.0.1:%d", port))
			continue
		}
		checkEcho(t, h.Dial, first.ip.String()+":7")
	}
	first.link.Close()
	v.await("machine 1 has disconnected")
	v.interrupt(sockets...)
}

// echo sends back what comes.
func echo(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			io.Copy(c, c)
		}()
	}
}

// checkEcho half-closes, and wants all back.
func checkEcho(t *testing.T, dial func(network, address string) (net.Conn, error), address string) {
	t.Helper()
	c, err := dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	text := bytes.Repeat([]byte("hello "), 10_000)
	go func() {
		c.Write(text)
		c.(interface{ CloseWrite() error }).CloseWrite()
	}()
	if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, text) {
		t.Errorf("%s: %d bytes of %d came back, %v", address, len(got), len(text), err)
	}
}

// What makes no sense is refused with what to write instead.
func TestVMUsage(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
		code int
	}{
		{nil, "--listen says where machines connect", exitUsage},
		{[]string{"--listen", "udp:x"}, "it is unix:PATH, ", exitUsage},
		{[]string{"--listen", "unix:"}, "it is unix:PATH, ", exitUsage},
		{[]string{"--listen", "unix:/no/such/s"}, "there is no directory /no/such", exitFailure},
		{[]string{"--listen", "unix:/tmp/x", "--publish", "80"}, "write for example 8080:192.168.127.2:80", exitUsage},
		{[]string{"--listen", "unix:/tmp/x", "--mtu", "100"}, "it may be 1280 to 65535", exitUsage},
		{[]string{"--listen", "unix:/tmp/x", "--first", "0"}, "--first 0", exitUsage},
	} {
		var out, told bytes.Buffer
		if code := run(append([]string{"vm"}, c.args...), &out, &told); code != c.code || !strings.Contains(told.String(), c.want) {
			t.Errorf("%q: exit code %d, %q; want %d, %q", c.args, code, &told, c.code, c.want)
		}
	}
}
