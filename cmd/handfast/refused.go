package main

import (
	"github.com/spf13/pflag"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
)

// refusal is an option of ss or netstat that nothing of ours answers to. Whoever types
// it by habit learns what does, instead of that there is no such flag.
type refusal struct {
	short, name string
	takes       bool   // it has a value
	instead     string // why, and what to do
}

// The families of sockets that a host of ours does not have.
const onlyTCPAndUDP = "a handfast has TCP and UDP sockets only"

// ssRefusals are the options of ss that are not here.
var ssRefusals = []refusal{
	{"T", "threads", false, "threads share the sockets of their process, and a goroutine is tied to none: -p shows the process"},
	{"N", "net", true, "a handfast is found by its control socket, whatever network namespace it is in; the kernel's of another: ip netns exec NAME handfast ss --kernel"},
	{"Z", "context", false, "no socket of ours has an SELinux context; its process has: ps -Z -p PID, with the PID of -p"},
	{"z", "contexts", false, "no socket of ours has an SELinux context; its process has: ps -Z -p PID, with the PID of -p"},
	{"x", "unix", false, onlyTCPAndUDP + "; the kernel's: ss -x"},
	{"w", "raw", false, onlyTCPAndUDP + "; the kernel's: ss -w"},
	{"M", "mptcp", false, onlyTCPAndUDP + ", and its TCP has no Multipath TCP; the kernel's: ss -M"},
	{"S", "sctp", false, onlyTCPAndUDP + "; the kernel's: ss -S"},
	{"d", "dccp", false, onlyTCPAndUDP + "; the kernel's: ss -d"},
	{"0", "packet", false, onlyTCPAndUDP + "; the kernel's, with those that --link packet opens: ss -0"},
	{"", "tipc", false, onlyTCPAndUDP + "; the kernel's: ss --tipc"},
	{"", "vsock", false, onlyTCPAndUDP + "; the kernel's: ss --vsock"},
	{"", "xdp", false, onlyTCPAndUDP + "; the kernel's: ss --xdp"},
	{"", "tipcinfo", false, onlyTCPAndUDP + "; the kernel's: ss --tipcinfo"},
	{"", "cgroup", false, "-e shows the cgroup of a socket of the kernel's; one of ours is in its process's: cat /proc/PID/cgroup, with the PID of -p"},
	{"", "inet-sockopt", false, "a socket of ours has none of the kernel's options: -oi shows what it has. The kernel's: ss --inet-sockopt"},
	{"D", "diag", true, "there is no binary dump: --json writes all that is known of each socket. The kernel's: ss -D FILE"},
}

// netstatRefusals are the options of netstat that are not here.
var netstatRefusals = []refusal{
	{"M", "masquerade", false, "a handfast translates no addresses; the kernel's: conntrack -L -n"},
	{"N", "symbolic", false, "hardware is never looked up: names of devices are the system's"},
	{"F", "fib", false, "-r shows the one routing table that there is"},
	{"C", "cache", false, "-r shows the routing table; what hosts remember about paths cannot be listed. The kernel's: ip tcp_metrics"},
	{"Z", "context", false, "no socket of ours has an SELinux context; its process has: ps -Z -p PID, with the PID of -p"},
	{"U", "udplite", false, onlyTCPAndUDP + "; the kernel's: netstat -U"},
	{"S", "sctp", false, onlyTCPAndUDP + "; the kernel's: netstat -S"},
	{"w", "raw", false, onlyTCPAndUDP + "; the kernel's: netstat -w"},
	{"x", "unix", false, onlyTCPAndUDP + "; the kernel's: netstat -x"},
	{"", "ax25", false, onlyTCPAndUDP + "; the kernel's: netstat --ax25"},
	{"", "ipx", false, onlyTCPAndUDP + "; the kernel's: netstat --ipx"},
	{"", "netrom", false, onlyTCPAndUDP + "; the kernel's: netstat --netrom"},
	{"", "numeric-ports", false, "-n writes ports and users as numbers, both"},
	{"", "numeric-users", false, "-n writes ports and users as numbers, both"},
}

// addRefusals makes f know the options, so that they are refused by refused. The help
// does not show them.
func addRefusals(f *pflag.FlagSet, all []refusal) {
	for _, r := range all {
		if r.takes {
			f.StringP(r.name, r.short, "", r.instead)
		} else {
			f.BoolP(r.name, r.short, false, r.instead)
		}
		f.Lookup(r.name).Hidden = true
	}
}

// refused says what to do in place of an option that is not here.
func refused(f *pflag.FlagSet, all []refusal) error {
	for _, r := range all {
		if !f.Changed(r.name) {
			continue
		}
		if r.short != "" {
			return usagef(say.All("-%s: %s"), r.short, r.instead)
		}
		return usagef(say.All("--%s: %s"), r.name, r.instead)
	}
	return nil
}
