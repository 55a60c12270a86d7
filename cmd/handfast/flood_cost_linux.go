package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	ebpflink "github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/kernelcookie"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
	"github.com/handfast-tcp/handfast/engine/tcp"
)

const (
	costCount   = 400_000 // SYNs of each way
	costRound   = 10_000  // in one round at most
	costWarmUp  = 1_000   // SYNs before it counts
	costSources = 1 << 14 // different SYNs, again and again
)

// costPlace is a device through which SYNs come to a server on the kernel's TCP. What the kernel
// answers nobody reads: the device throws it away, which costs the same for all.
type costPlace struct {
	device string
	fd     int
	server netip.AddrPort
	syns   [][]byte
	close  []func()
}

// costWay is who answers SYNs.
type costWay struct {
	name say.Text
	open func(*costPlace) (stop func() error, err error)

	spent    []time.Duration // of a SYN, by round
	sent     uint64
	answered uint64
	missing  error // why it is left out
}

func costWays() []*costWay {
	return []*costWay{
		{name: say.Text{"dropped at once", "立即丢弃"}, open: (*costPlace).drop},
		{name: say.Text{"handfast guard --kernel", "handfast guard --kernel"}, open: (*costPlace).ours},
		{name: say.Text{"the kernel's own cookies", "内核自己的 cookie"}, open: (*costPlace).kernels},
		{name: say.Text{"nft synproxy", "nft synproxy"}, open: (*costPlace).synproxy},
	}
}

// cost measures what ways to answer a SYN cost, in turns.
func (o *floodOptions) cost(ctx context.Context) error {
	p, err := o.newCostPlace()
	if err != nil {
		return err
	}
	defer p.end()
	all := cmp.Or(o.count, costCount)
	count := min(all, costRound)
	rounds := all / count
	o.stdout.printf(say.Text{"What a SYN costs the machine of a server: CPU time, in %d rounds of %s SYNs for each way, in turns\n\n",
		"一个 SYN 耗费服务器多少 CPU 时间：每种方式 %d 轮，每轮 %s 个，交替进行\n\n"}, rounds, formatCount(count))
	ways := costWays()
	for range rounds {
		for _, w := range ways {
			if ctx.Err() != nil {
				return interruption(ctx)
			}
			if err := w.round(p, int(count)); err != nil {
				return say.Errorf(say.All("%s: %w"), w.name, err)
			}
		}
	}
	o.costTable(ways)
	return nil
}

func (o *floodOptions) newCostPlace() (p *costPlace, err error) {
	side := stage.KernelAddrs[0].Addr()
	if o.ipv6 {
		side = stage.KernelAddrs[1].Addr()
	}
	p = &costPlace{device: floodTUN, fd: -1, server: netip.AddrPortFrom(side, tryPort)}
	m := newSynMaker(o.sources, p.server, o.seed)
	for range costSources {
		p.syns = append(p.syns, m.next(nil))
	}
	defer func() {
		if err != nil {
			p.end()
		}
	}()
	if err := p.openDevice(); err != nil {
		return p, err
	}
	if err := stage.Configure(p.device, stage.KernelAddrs); err != nil {
		return p, err
	}
	if err := routeEverywhere(p.device); err != nil {
		return p, err
	}
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(context.Background(), "tcp", p.server.String())
	if err == nil {
		p.close = append(p.close, func() { l.Close() })
	}
	return p, err
}

// openDevice makes a TUN whose writer does all that the kernel does with a packet, in its own time.
func (p *costPlace) openDevice() error {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return say.Errorf(say.All("/dev/net/tun: %w"), stage.Explain(err))
	}
	p.fd = fd
	r, err := unix.NewIfreq(p.device)
	if err == nil {
		r.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, r)
	}
	if err != nil {
		return say.Errorf(say.All("%s: %w"), p.device, stage.Explain(err))
	}
	return nil
}

func (p *costPlace) end() {
	for _, f := range slices.Backward(p.close) {
		f()
	}
	if p.fd >= 0 {
		unix.Close(p.fd)
	}
}

// round floods with one way open.
func (w *costWay) round(p *costPlace, count int) (err error) {
	stop, err := w.open(p)
	if err != nil && errors.Is(err, exec.ErrNotFound) {
		w.missing = err
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	if _, err = p.flood(costWarmUp); err != nil {
		return err
	}
	before, err := p.answers()
	if err != nil {
		return err
	}
	spent, err := p.flood(count)
	if err != nil {
		return err
	}
	after, err := p.answers()
	w.spent = append(w.spent, spent/time.Duration(count))
	w.sent, w.answered = w.sent+uint64(count), w.answered+after-before
	return err
}

// flood sends SYNs, and returns the CPU time that they took, on a thread of which nobody else is.
func (p *costPlace) flood(count int) (time.Duration, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	from, err := threadTime()
	for i := 0; i < count && err == nil; i++ {
		_, err = unix.Write(p.fd, p.syns[i%len(p.syns)])
	}
	if err != nil {
		return 0, err
	}
	to, err := threadTime()
	return to - from, err
}

func threadTime() (time.Duration, error) {
	var t unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t)
	return time.Duration(t.Nano()), err
}

// answers is how many packets the kernel has sent by the device so far, or wanted to.
func (p *costPlace) answers() (uint64, error) {
	dev, err := netlink.LinkByName(p.device)
	if err != nil {
		return 0, err
	}
	s := dev.Attrs().Statistics
	return s.TxPackets + s.TxDropped, nil
}

// least is what a SYN took in the quietest of the rounds: what else the machine does only adds.
func (w *costWay) least() time.Duration { return slices.Min(w.spent) }

func (w *costWay) median() time.Duration {
	sorted := slices.Sorted(slices.Values(w.spent))
	return sorted[len(sorted)/2]
}

// drop has SYNs thrown away where the programs would answer them: what they cost before.
func (p *costPlace) drop() (func() error, error) {
	const shot = 2
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "Dual MIT/GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, shot), asm.Return()}})
	if err != nil {
		return nil, say.Errorf(say.Text{"loading eBPF programs needs root outside of any user namespace: %w", "加载 eBPF 程序需要 root（不在用户命名空间内）：%w"}, err)
	}
	dev, err := net.InterfaceByName(p.device)
	if err != nil {
		return nil, err
	}
	l, err := ebpflink.AttachTCX(ebpflink.TCXOptions{Interface: dev.Index, Program: program, Attach: ebpf.AttachTCXIngress})
	if err != nil {
		return nil, errors.Join(err, program.Close())
	}
	return func() error { return errors.Join(l.Close(), program.Close()) }, nil
}

func (p *costPlace) ours() (func() error, error) {
	a, err := kernelcookie.Arm(kernelcookie.Options{Device: p.device, Listen: []netip.AddrPort{p.server}, Always: true}, tcp.CookieKeys{Epoch: 1})
	if err != nil {
		return nil, err
	}
	return a.Close, nil
}

// kernels has each SYN answered by a cookie of the kernel's.
func (p *costPlace) kernels() (func() error, error) {
	return func() error { return setSysctl("net/ipv4/tcp_syncookies", "1") }, setSysctl("net/ipv4/tcp_syncookies", "2")
}

// synproxyRules are those of nft's manual page.
const synproxyRules = `table inet hfcost {
	chain raw { type filter hook prerouting priority raw; tcp dport 80 tcp flags syn notrack; }
	chain input { type filter hook input priority filter;
		tcp dport 80 ct state invalid,untracked synproxy mss 1460 wscale 7 timestamp sack-perm;
		ct state invalid drop; }
}
`

func (p *costPlace) synproxy() (func() error, error) {
	if err := nft(synproxyRules); err != nil {
		return nil, err
	}
	return func() error { return nft("delete table inet hfcost\n") }, setSysctl("net/netfilter/nf_conntrack_tcp_loose", "0")
}

func nft(rules string) error {
	path, err := exec.LookPath("nft")
	if err != nil {
		return err
	}
	cmd := exec.Command(path, "-f", "-")
	cmd.Stdin = strings.NewReader(rules)
	if out, err := cmd.CombinedOutput(); err != nil {
		return say.Errorf(say.All("nft: %w: %s"), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// mostAnswer is the share of SYNs that a way must answer to be compared.
const mostAnswer = 0.99

// costTable compares the ways: what of a SYN's cost is that of its answer, and how many times ours.
func (o *floodOptions) costTable(ways []*costWay) {
	l, base, ours := o.stdout.lang, ways[0].least(), ways[1].least()
	line := func(name string, cells ...string) {
		text := "  " + say.Left(name, 26)
		for _, c := range cells {
			text += say.Right(c, 14)
		}
		o.stdout.printf(say.All("%s\n"), strings.TrimRight(text, " "))
	}
	line(say.Text{"ns of CPU for a SYN", "每个 SYN 的 CPU 纳秒"}[l], say.Text{"median", "中位数"}[l], say.Text{"least", "最小"}[l], say.Text{"its answer", "其中应答"}[l],
		say.Text{"beside ours", "与我们之比"}[l], say.Text{"answered", "已应答"}[l])
	for i, w := range ways {
		if w.missing != nil {
			o.stdout.printf(say.Text{"  %s: left out, %v\n", "  %s：略去，%v\n"}, w.name[l], w.missing)
			continue
		}
		cells := []string{formatCount(uint64(w.median())), formatCount(uint64(w.least())), "", "", percent(w.answered, w.sent)}
		if answer := w.least() - base; i > 0 && float64(w.answered) >= mostAnswer*float64(w.sent) {
			cells[2], cells[3] = formatCount(uint64(max(answer, 0))), times(answer, ours-base)
		}
		line(w.name[l], cells...)
	}
	o.stdout.printf(say.Text{"\nIts answer is the least less that of a SYN that is dropped at once.\n", "\n“其中应答”是最小值减去立即丢弃的 SYN 的最小值。\n"})
}

// percent is how much of a whole a part is.
func percent(part, whole uint64) string {
	return fmt.Sprintf("%.1f %%", 100*float64(part)/float64(max(whole, 1)))
}

// times is how many times another one a time is.
func times(a, b time.Duration) string {
	if b <= 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f ×", a.Seconds()/b.Seconds())
}
