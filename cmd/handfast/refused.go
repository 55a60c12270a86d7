package main

import (
	"github.com/spf13/pflag"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/lab/story"
)

// refusal is an option of ss or netstat that nothing of ours answers to. Whoever types
// it by habit learns what does, instead of that there is no such flag.
type refusal struct {
	short, name string
	takes       bool     // it has a value
	instead     say.Text // why, and what to do
}

// onlyTCPAndUDP says which families of sockets a host of ours has.
var onlyTCPAndUDP = say.Text{"a handfast has TCP and UDP sockets only", "handfast 只有 TCP 和 UDP 套接字"}

// notHere is of other families; line shows the kernel's.
func notHere(line string) say.Text {
	return say.Text{onlyTCPAndUDP[0] + "; the kernel's: " + line, onlyTCPAndUDP[1] + "；内核的套接字：" + line}
}

// noContext is of SELinux.
var noContext = say.Text{"no socket of ours has an SELinux context; its process has: ps -Z -p PID, with the PID of -p",
	"我们的套接字没有 SELinux 上下文，有的是它的进程：ps -Z -p PID，PID 由 -p 给出"}

// ssRefusals are the options of ss that are not here.
var ssRefusals = []refusal{
	{"T", "threads", false, say.Text{"threads share the sockets of their process, and a goroutine is tied to none: -p shows the process",
		"线程共享进程的套接字，goroutine 不绑定任何线程：-p 显示进程"}},
	{"N", "net", true, say.Text{"a handfast is found by its control socket, whatever network namespace it is in; the kernel's of another: ip netns exec NAME handfast ss --kernel",
		"handfast 由控制套接字找到，与它所在的网络命名空间无关；其他命名空间里内核的套接字：ip netns exec NAME handfast ss --kernel"}},
	{"Z", "context", false, noContext},
	{"z", "contexts", false, noContext},
	{"x", "unix", false, notHere("ss -x")},
	{"w", "raw", false, notHere("ss -w")},
	{"M", "mptcp", false, say.Text{onlyTCPAndUDP[0] + ", and its TCP has no Multipath TCP; the kernel's: ss -M", onlyTCPAndUDP[1] + "，它的 TCP 不支持 Multipath TCP；内核的套接字：ss -M"}},
	{"S", "sctp", false, notHere("ss -S")},
	{"d", "dccp", false, notHere("ss -d")},
	{"0", "packet", false, say.Text{onlyTCPAndUDP[0] + "; the kernel's, with those that --link packet opens: ss -0", onlyTCPAndUDP[1] + "；内核的套接字，包括 --link packet 打开的：ss -0"}},
	{"", "tipc", false, notHere("ss --tipc")},
	{"", "vsock", false, notHere("ss --vsock")},
	{"", "xdp", false, notHere("ss --xdp")},
	{"", "tipcinfo", false, notHere("ss --tipcinfo")},
	{"", "cgroup", false, say.Text{"-e shows the cgroup of a socket of the kernel's; one of ours is in its process's: cat /proc/PID/cgroup, with the PID of -p",
		"-e 显示内核套接字的 cgroup；我们的套接字属于其进程的 cgroup：cat /proc/PID/cgroup，PID 由 -p 给出"}},
	{"", "inet-sockopt", false, say.Text{"a socket of ours has none of the kernel's options: -oi shows what it has. The kernel's: ss --inet-sockopt",
		"我们的套接字没有内核的那些选项：-oi 显示它有什么。内核的套接字：ss --inet-sockopt"}},
	{"D", "diag", true, say.Text{"there is no binary dump: --json writes all that is known of each socket. The kernel's: ss -D FILE",
		"没有二进制转储：--json 写出每个套接字的全部已知信息。内核的套接字：ss -D FILE"}},
}

// netstatRefusals are the options of netstat that are not here. It speaks English only.
var netstatRefusals = []refusal{
	{"M", "masquerade", false, say.All("a handfast translates no addresses; the kernel's: conntrack -L -n")},
	{"N", "symbolic", false, say.All("hardware is never looked up: names of devices are the system's")},
	{"F", "fib", false, say.All("-r shows the one routing table that there is")},
	{"C", "cache", false, say.All("-r shows the routing table; what hosts remember about paths cannot be listed. The kernel's: ip tcp_metrics")},
	{"Z", "context", false, noContext},
	{"U", "udplite", false, notHere("netstat -U")},
	{"S", "sctp", false, notHere("netstat -S")},
	{"w", "raw", false, notHere("netstat -w")},
	{"x", "unix", false, notHere("netstat -x")},
	{"", "ax25", false, notHere("netstat --ax25")},
	{"", "ipx", false, notHere("netstat --ipx")},
	{"", "netrom", false, notHere("netstat --netrom")},
	{"", "numeric-ports", false, say.All("-n writes ports and users as numbers, both")},
	{"", "numeric-users", false, say.All("-n writes ports and users as numbers, both")},
}

// addRefusals makes f know the options, so that they are refused by refused. The help
// does not show them.
func addRefusals(f *pflag.FlagSet, all []refusal) {
	for _, r := range all {
		if r.takes {
			f.StringP(r.name, r.short, "", r.instead[story.English])
		} else {
			f.BoolP(r.name, r.short, false, r.instead[story.English])
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
