package stage

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/kernel"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/live"
	"github.com/handfast-tcp/handfast/lab/story"
)

// isolatedVariable says that these tests have a network namespace of their own.
const isolatedVariable = "HANDFAST_STAGE_NAMESPACE"

// TestMain runs the tests again in a network namespace where that is allowed.
func TestMain(m *testing.M) {
	if os.Getenv(isolatedVariable) == "" {
		if code, err := RunIsolated(isolatedVariable); err == nil {
			os.Exit(code)
		}
	}
	os.Exit(m.Run())
}

func needNamespace(t *testing.T) {
	t.Helper()
	if os.Getenv(isolatedVariable) == "" {
		t.Skip("no network namespace here")
	}
}

// A stage with the kernel can be set up again and again in one namespace: closing
// one removes its devices, those of a veth pair included.
func TestKernelStageLeavesNothingBehind(t *testing.T) {
	needNamespace(t)
	before := devices(t)
	for _, kind := range []string{"tun", "packet"} {
		for round := range 2 {
			t.Run(fmt.Sprint(kind, round), func(t *testing.T) {
				a, err := NewKernel(kind, live.New(live.Options{Host: OurName}))
				if err != nil {
					if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.EPERM) {
						t.Skip(err)
					}
					t.Fatal(err)
				}
				greet(t, a, netip.AddrPortFrom(OurAddrs[0].Addr(), 7))
				greet(t, a, netip.AddrPortFrom(OurAddrs[1].Addr(), 7))
				a.Close()
				if now := devices(t); !slices.Equal(now, before) {
					t.Errorf("devices %v were %v", now, before)
				}
			})
		}
	}
}

func devices(t *testing.T) (names []string) {
	t.Helper()
	all, err := netlink.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	for _, dev := range all {
		names = append(names, dev.Attrs().Name)
	}
	return names
}

// An unknown kind of link is an error that names the kinds, and no stage.
func TestUnknownKindOfLink(t *testing.T) {
	a, err := OnKernel("carrier pigeon", nil)
	if a != nil || err == nil || !strings.Contains(err.Error(), "tun, packet or auto") {
		t.Errorf("%v, %v", a, err)
	}
}

// A network that this machine has already is refused with the device that has it.
func TestOverlaps(t *testing.T) {
	needNamespace(t)
	own := netip.MustParsePrefix("192.0.2.1/24")
	dev := &netlink.Dummy{LinkAttrs: netlink.NewLinkAttrs()}
	dev.Name = "dummy-overlap"
	if err := netlink.LinkAdd(dev); err != nil {
		t.Skip(err) // a kernel without this kind of device
	}
	t.Cleanup(func() { netlink.LinkDel(dev) })
	if err := Configure(dev.Name, []netip.Prefix{own}); err != nil {
		t.Fatal(err)
	}
	for text, clash := range map[string]bool{"192.0.2.128/25": true, "192.0.0.0/16": true, "198.51.100.0/24": false, "fd77::/64": false} {
		err := Overlaps(netip.MustParsePrefix(text))
		if (err != nil) != clash || clash && !strings.Contains(err.Error(), dev.Name) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// A device that is not there is named, and so is what the kernel said.
func TestConfigureMissingDevice(t *testing.T) {
	if err := Configure("no-such-device", OurAddrs); err == nil || !strings.Contains(err.Error(), "no-such-device") {
		t.Error(err)
	}
}

// What the kernel refuses comes with what to do about it, and stays the same
// error for errors.Is.
func TestErrorsCarryAdvice(t *testing.T) {
	for _, c := range []struct {
		err  error
		text string
		say  string
	}{
		{syscall.EPERM, Explain(syscall.EPERM).Error(), "CAP_NET_ADMIN"},
		{syscall.EEXIST, Explain(syscall.EEXIST).Error(), "already in use"},
		{syscall.ENODEV, Explain(syscall.ENODEV).Error(), "kind of device"},
		{syscall.ENOSPC, Advice(syscall.ENOSPC)[story.English], "max_net_namespaces"},
		{syscall.EACCES, Advice(syscall.EACCES)[story.English], "sudo"},
		{syscall.ENOSYS, Advice(syscall.ENOSYS)[story.English], "without namespaces"},
		{kernel.ErrLinuxOnly, Advice(kernel.ErrLinuxOnly)[story.English], ""},
	} {
		if !strings.Contains(c.text, c.say) || c.say == "" && c.text != "" {
			t.Errorf("%v: %q does not say %q", c.err, c.text, c.say)
		}
		if !errors.Is(Explain(c.err), c.err) {
			t.Errorf("%v is hidden", c.err)
		}
	}
}

// The command ends as the child did that ran in the namespace: with its code, or
// as a shell reports a signal.
func TestExitCode(t *testing.T) {
	for script, want := range map[string]int{"exit 0": 0, "exit 3": 3, "kill -TERM $$": 128 + 15, "kill -KILL $$": 128 + 9} {
		if code, err := ExitCode(exec.Command("/bin/sh", "-c", script).Run()); code != want || err != nil {
			t.Errorf("%s: %d, %v, want %d", script, code, err, want)
		}
	}
	if _, err := ExitCode(kernel.ErrLinuxOnly); err == nil {
		t.Error("a program that did not start has no exit code")
	}
}
