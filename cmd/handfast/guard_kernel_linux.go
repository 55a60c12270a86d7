package main

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/kernelcookie"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/engine/tcp"
	"github.com/handfast-tcp/handfast/keyring"
)

// keysAsked is how often the keys of --kernel are asked for, as a host does.
const keysAsked = 5 * time.Second

// kernelGuard is a guard whose connections are the kernel's, while it works.
type kernelGuard struct {
	*guardOptions
	armed *kernelcookie.Armed
	ring  *keyring.Ring
	flood watchedSYNs
}

// runKernel leaves the server to its kernel, before which programs answer SYNs.
func (o *guardOptions) runKernel(ctx context.Context) error {
	if err := o.checkKernels(); err != nil {
		return err
	}
	defer o.defence.close()
	g := &kernelGuard{guardOptions: o}
	var err error
	if g.ring, err = o.kernelRing(); err != nil {
		return err
	}
	keys, err := g.ring.Keys(time.Now())
	if err != nil {
		return err
	}
	g.armed, err = kernelcookie.Arm(kernelcookie.Options{Device: o.device, Listen: o.listen, Always: g.always(), Shared: o.defence.seeds != ""}, keys)
	if err != nil {
		return say.Errorf(say.Text{"--kernel: %w\n  handfast guard --to HOST:PORT guards a server without, from an address of its own",
			"--kernel：%w\n  handfast guard --to HOST:PORT 不需要这些，它用自己的地址保护服务器"}, err)
	}
	stop, err := g.openReports()
	if err != nil {
		return errors.Join(err, g.armed.Close())
	}
	err = g.work(ctx)
	stop()
	counted, failed := g.armed.Counters()
	if failed == nil {
		o.farewellKernel(counted)
	}
	return errors.Join(err, failed, g.armed.Close())
}

func (o *guardOptions) always() bool { return tcp.CookieMode(o.defence.cookies) == tcp.CookiesAlways }

// checkKernels refuses addresses that this machine does not have: nothing would come for them.
func (o *guardOptions) checkKernels() error {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return err
	}
	for _, l := range o.listen {
		if !slices.ContainsFunc(all, func(a net.Addr) bool { return isAddr(a, l.Addr()) }) {
			return say.Errorf(say.Text{"--listen %v: this machine does not have that address, and --kernel guards servers of this machine's kernel",
				"--listen %v：本机没有该地址；--kernel 只保护本机内核上的服务器"}, l)
		}
	}
	return nil
}

// kernelRing is that of --cookie-seeds, or one of our own.
func (o *guardOptions) kernelRing() (*keyring.Ring, error) {
	if o.defence.seeds != "" {
		return o.defence.ring()
	}
	seed := []byte(rand.Text())
	return keyring.New(func() ([][]byte, error) { return [][]byte{seed}, nil })
}

// work gives the programs the keys of now, again and again, and watches what they count, until it
// is told to end.
func (g *kernelGuard) work(ctx context.Context) error {
	ctx, stop := untilInterrupted(ctx)
	defer stop()
	again := make(chan os.Signal, 1)
	signal.Notify(again, syscall.SIGHUP)
	defer signal.Stop(again)
	g.greetKernel() // now that Ctrl-C does what it says
	turn, look := time.NewTicker(keysAsked), time.NewTicker(countersAsked)
	defer turn.Stop()
	defer look.Stop()
	said := ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-again:
			g.say(say.Text{"SIGHUP: with --kernel nothing changes while it works", "SIGHUP：使用 --kernel 时，运行期间没有可更改的选项"})
		case <-look.C:
			if err := g.look(); err != nil {
				return err
			}
		case now := <-turn.C:
			keys, err := g.ring.Keys(now)
			if err != nil && err.Error() != said { // those known go on
				said = err.Error()
				g.say(say.All("--cookie-seeds: %v"), err)
			}
			if err := g.armed.SetKeys(keys); err != nil {
				return err
			}
		}
	}
}

// greetKernel says what is guarded, and when.
func (o *guardOptions) greetKernel() {
	when := say.Text{"while the server's queue of handshakes is half full", "服务器的握手队列过半时"}
	if o.always() {
		when = say.Text{"always", "始终"}
	}
	o.stdout.printf(say.Text{"Guarding the kernel's server at %s: on %s eBPF answers SYNs by our cookies (%s), and the server's own listener gets the connections.\n",
		"正在保护内核上的服务器 %s：eBPF 在 %s 上用我们的 cookie 应答 SYN（%s），连接直接交给服务器自己的监听套接字。\n"},
		listed(o.listen), o.device, when[o.stdout.lang])
	if o.defence.seeds != "" && !o.always() {
		o.say(say.Text{"other hosts with these seeds take up what is answered by a cookie alone; where a handshake may begin here and end there: --cookies always",
			"使用相同种子的其他主机只能接续以 cookie 应答的握手；如果握手可能在此开始、在别处完成，请加 --cookies always"})
	}
	o.stdout.printf(ctrlCEnds)
}

// farewellKernel says what was done.
func (o *guardOptions) farewellKernel(c kernelcookie.Counters) {
	o.stdout.printf(say.Text{"%s SYNs: %s answered by a cookie, %s left to the kernel, as there was no attack; %s connections from cookies, %s false ACKs dropped, %s cookies that the kernel did not take\n",
		"SYN %s 个：用 cookie 应答 %s 个，无攻击时留给内核 %s 个；由 cookie 建立的连接 %s 个，丢弃的伪造 ACK %s 个，内核未接受的 cookie %s 个\n"},
		formatCount(c.SYNs), formatCount(c.Sent), formatCount(c.Left), formatCount(c.Received), formatCount(c.Failed), formatCount(c.Refused))
	if c.MPTCP > 0 {
		o.stdout.printf(say.Text{"%s SYNs were left to the kernel because their listener has Multipath TCP, which cookies of ours cannot open; a server in Go has it without GODEBUG=multipathtcp=0\n",
			"%s 个 SYN 留给了内核：其监听套接字使用 Multipath TCP，我们的 cookie 无法为它建立连接；Go 写的服务器默认如此，可用 GODEBUG=multipathtcp=0 关闭\n"}, formatCount(c.MPTCP))
	}
}
