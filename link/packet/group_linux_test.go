package packet_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/internal/testnet"
	"github.com/handfast-tcp/handfast/link/packet"
)

var groups = []*net.UDPAddr{{IP: net.IPv4(239, 1, 2, 3), Port: 5353}, {IP: net.ParseIP("ff05::123"), Port: 5353}}

// member is a host on hf0 with an address of each kind.
func member(t *testing.T) *handfast.Host {
	t.Helper()
	h, err := handfast.New(handfast.Config{Shards: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	if err := h.Attach(open(t, packet.Options{Name: "hf0", HardwareAddr: ours}), handfast.LinkOptions{
		Addresses: []netip.Prefix{
			netip.MustParsePrefix("10.77.0.2/24"), netip.MustParsePrefix("fd77::2/64"), netip.MustParsePrefix("fe80::77:2/64"),
		},
		NoConflictDetection: true,
	}); err != nil {
		t.Fatal(err)
	}
	return h
}

// The kernel's sockets hear what we send to a group, and ours hear the kernel's.
func TestGroupsWithTheKernel(t *testing.T) {
	cable(t, netip.MustParsePrefix("10.77.0.1/24"))
	testnet.Address(t, "hk0", netip.MustParsePrefix("fd77::1/64"))
	device, err := net.InterfaceByName("hk0")
	if err != nil {
		t.Fatal(err)
	}
	h := member(t)
	for _, group := range groups {
		theirs, err := net.ListenMulticastUDP("udp", device, group)
		if err != nil {
			t.Fatal(err)
		}
		defer theirs.Close()
		us, err := h.ListenMulticastUDP("udp", nil, group)
		if err != nil {
			t.Fatal(err)
		}
		for name, way := range map[string][2]net.PacketConn{"to the kernel": {us, theirs}, "to us": {theirs, us}} {
			if _, err := way[0].WriteTo([]byte(name), group); err != nil {
				t.Fatal(err)
			}
			p := make([]byte, 100)
			way[1].SetReadDeadline(time.Now().Add(time.Minute))
			n, from, err := way[1].ReadFrom(p)
			if err != nil || string(p[:n]) != name {
				t.Errorf("%v %s: %q from %v, %v", group, name, p[:n], from, err)
			}
		}
	}
}

// A bridge of the kernel's asks who is in which group, in each version, and carries a group to its
// members only. It learns of ours by the answers, those of neighbour discovery among them, and
// that they have left.
func TestSnoopingBridge(t *testing.T) {
	for _, version := range []int{3, 2} {
		t.Run(fmt.Sprintf("IGMPv%d, MLDv%d", version, version-1), func(t *testing.T) {
			cable(t, netip.MustParsePrefix("10.77.0.1/24"))
			bridge(t, version, version-1)
			h := member(t)
			var members []*handfast.UDPConn
			for _, group := range groups {
				u, err := h.ListenMulticastUDP("udp", nil, group)
				if err != nil {
					t.Fatal(err)
				}
				members = append(members, u)
			}
			// Only now is there somebody who listens.
			run(t, "ip", "link", "set", "hk0", "master", "hb0")
			run(t, "ip", "link", "set", "hb0", "up")
			await(t, func(known []string) bool {
				return slices.Contains(known, "239.1.2.3") && slices.Contains(known, "ff05::123") && slices.Contains(known, "ff02::1:ff77:2")
			})
			for i, u := range members {
				if err := u.LeaveGroup(nil, groups[i]); err != nil {
					t.Fatal(err)
				}
			}
			await(t, func(known []string) bool {
				return !slices.Contains(known, "239.1.2.3") && !slices.Contains(known, "ff05::123") && slices.Contains(known, "ff02::1:ff77:2")
			})
		})
	}
}

func run(t *testing.T, command ...string) string {
	t.Helper()
	out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v, %s", command, err, out)
	}
	return string(out)
}

// bridge makes a bridge that asks often, in a version of IGMP and of MLD.
func bridge(t *testing.T, igmp, mld int) {
	t.Helper()
	for _, command := range []string{"ip", "bridge"} {
		if _, err := exec.LookPath(command); err != nil {
			t.Skip(err)
		}
	}
	make := fmt.Sprintf("link add hb0 type bridge mcast_snooping 1 mcast_querier 1 mcast_query_response_interval 10 "+
		"mcast_last_member_interval 10 mcast_startup_query_interval 20 mcast_igmp_version %d mcast_mld_version %d", igmp, mld)
	if out, err := exec.Command("ip", strings.Fields(make)...).CombinedOutput(); err != nil {
		t.Skipf("no bridge that looks at groups: %v, %s", err, out)
	}
	t.Cleanup(func() { run(t, "ip", "link", "del", "hb0") })
	// In IPv6 it asks when it has an address: at once.
	if err := os.WriteFile("/proc/sys/net/ipv6/conf/hb0/accept_dad", []byte("0"), 0); err != nil {
		t.Skip(err)
	}
}

// await waits until the bridge knows what it is to know of hk0's groups.
func await(t *testing.T, enough func(known []string) bool) {
	t.Helper()
	var known []string
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		known = nil
		for line := range strings.Lines(run(t, "bridge", "mdb", "show", "dev", "hb0")) {
			if _, group, ok := strings.Cut(line, "port hk0 grp "); ok {
				known = append(known, strings.Fields(group)[0])
			}
		}
		if enough(known) {
			return
		}
	}
	t.Fatalf("the bridge knows %v", known)
}
