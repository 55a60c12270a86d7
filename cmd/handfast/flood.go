package main

import (
	"cmp"
	"context"
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/live"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/stage"
	"github.com/handfast-tcp/handfast/engine/tcp"
)

const floodHelp = `Floods a host of ours with spoofed SYNs, while honest clients ask it
for a page; first without a defence (--cookies off --half-open 128 --attack-mode off),
then with it, and compares. Name one of these settings yourself to see one round
with it.

It all takes place in a network namespace that is made for it and that goes
with the process, or in memory: nothing leaves this machine, and no address
outside can be flooded. With --cost what a SYN costs the server's machine is
measured, and no clients come. --link is as for try. --out writes the beginning of the
last round: the first connections of clients and of the flood.

Meanwhile, in another terminal:

  handfast netstat -n -p tcp | grep SYN_RECV
  handfast ss -tano state syn-recv
  handfast ss --flood
  handfast ss --defence`

// floodInstead says who has the kernel's part where it takes none.
var floodInstead = say.Text{"the clients are ours", "客户端也由我们的 TCP 担任"}

type floodOptions struct {
	place
	target   string
	rate     int
	count    uint64
	sources  string
	seed     uint64
	clients  int
	over     time.Duration
	patience time.Duration
	demo     bool
	guard    bool
	costs    bool
	out      outFile
	web      webOptions
	recorder *live.Recorder // of the last round, with out
	defence  defenceOptions
	shards   int // of the server; 0: as usual

	streams
}

// defenceFlags ask for one round.
var defenceFlags = []string{"cookies", "half-open", "synack-retries", "attack-mode", "backlog"}

func newFlood() *cobra.Command {
	var o floodOptions
	cmd := &cobra.Command{
		Use:   "flood",
		Short: "Flood a host of ours with SYNs, without and with the defence",
		Long:  floodHelp,
		Example: `  handfast flood
  handfast flood --sources few --rate 20000 --cookies auto
  handfast flood --clients 0 --over 1m --cookies off
  handfast flood --link memory --count 1000000
  handfast flood --guard
  sudo handfast flood --cost
  handfast flood --out flood.html`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			one := slices.ContainsFunc(defenceFlags, func(name string) bool { return cmd.Flags().Changed(name) })
			if o.demo && one {
				return usagef(say.Text{"--demo shows both rounds with settings of its own: it goes with none of --%s", "--demo 用自己的设置演示两轮，不能与 --%s 同用"}, strings.Join(defenceFlags, ", --"))
			}
			o.demo = !one
			o.streams = streamsOf(cmd)
			return o.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	o.place.addTo(f)
	f.StringVar(&o.target, "target", "", "address and port to flood; only the host that is made for it can be (default 10.77.0.2:80)")
	f.IntVar(&o.rate, "rate", 0, "SYNs a second; 0: as many as the link carries without loss")
	f.Uint64Var(&o.count, "count", 0, "SYNs in all; 0: as long as the clients take")
	f.StringVar(&o.sources, "sources", "random", "where they pretend to come from: "+strings.Join(sourceKinds, ", "))
	f.Uint64Var(&o.seed, "seed", 0, "of the random numbers; 0: another one each time")
	f.IntVar(&o.clients, "clients", 200, "honest clients")
	f.DurationVar(&o.over, "over", 4*time.Second, "time over which the clients come")
	f.DurationVar(&o.patience, "patience", 5*time.Second, "how long a client waits for its answer")
	f.BoolVar(&o.guard, "guard", false, "a server on the kernel's TCP instead: alone, without and with its cookies, and behind a guard")
	f.BoolVar(&o.costs, "cost", false, "measure instead what a SYN costs the server's machine: answered by guard --kernel, by the kernel's cookies, by nft synproxy")
	f.BoolVar(&o.demo, "demo", false, "both rounds, without and with the defence (default)")
	o.defence.addTo(f)
	o.out.addTo(f)
	o.web.addTo(f)
	addLang(f)
	return cmd
}

func (o *floodOptions) check() error {
	switch {
	case !slices.Contains(sourceKinds, o.sources):
		return usagef(say.Text{"--sources %s: it is one of %s", "--sources %s：可选 %s"}, o.sources, strings.Join(sourceKinds, ", "))
	case o.rate < 0 || o.clients < 0 || o.clients > 20000 || o.over <= 0 || o.patience <= 0:
		return usagef(say.Text{"--rate and --clients (at most 20000) may not be negative, --over and --patience must be more than 0", "--rate 与 --clients（最多 20000）不能为负，--over 与 --patience 必须大于 0"})
	}
	if o.guard && o.link == "memory" {
		return usagef(say.Text{"--guard shows a server on the kernel's TCP: it does not go with --link memory", "--guard 演示使用内核 TCP 的服务器：不能与 --link memory 同用"})
	}
	if o.costs && (o.guard || o.out.wanted() || o.link != "auto" && o.link != "tun") {
		return usagef(say.Text{"--cost measures the kernel behind a TUN: it goes with --count, --sources, --seed and --ipv6", "--cost 测量 TUN 后面的内核：只能与 --count、--sources、--seed、--ipv6 同用"})
	}
	if err := cmp.Or(o.place.check(), o.checkTarget(), o.out.check()); err != nil {
		return err
	}
	return o.defence.check()
}

// checkTarget refuses every address but that of the host which the flood makes.
func (o *floodOptions) checkTarget() error {
	if o.target == "" {
		return nil
	}
	a, err := netip.ParseAddrPort(o.target)
	if err != nil {
		return usagef(say.Text{"--target %s: write an address and a port, such as 10.77.0.2:80", "--target %s：请写出地址和端口，例如 10.77.0.2:80"}, o.target)
	}
	for i, own := range stage.OurAddrs {
		if a == netip.AddrPortFrom(own.Addr(), tryPort) {
			o.ipv6 = i == 1
			return nil
		}
	}
	return usagef(say.Text{"--target %s: refused; flood only sends to a host of ours, in a namespace or memory that it makes itself: %v:%d or [%v]:%d", "--target %s：拒绝执行；flood 只向自己在命名空间或内存里建立的主机发送：%v:%d 或 [%v]:%d"},
		o.target, stage.OurAddrs[0].Addr(), tryPort, stage.OurAddrs[1].Addr(), tryPort)
}

func (o *floodOptions) run(ctx context.Context) error {
	if err := o.check(); err != nil {
		return err
	}
	if (o.guard || o.costs) && o.link == "auto" {
		o.link = "tun" // without the kernel there is nothing to be seen
	}
	if err := o.web.listen(); err != nil {
		return err
	}
	defer o.web.close()
	done, err := o.isolate(o.stderr, floodInstead, &o.web)
	if done {
		return err
	}
	if o.seed == 0 {
		o.seed = rand.Uint64()
	}
	ctx, stop := untilInterrupted(ctx)
	defer stop()
	if o.costs {
		return o.cost(ctx)
	}
	defer o.forThree()()
	if err = o.rounds(ctx); o.recorder == nil {
		return err
	}
	return afterRun(err, o.out.write(o.recorder, say.Text{"A SYN flood against ", "SYN 泛洪："}[o.stdout.lang]+o.address().String()))
}

// forThree has as many threads run as three machines would have. The attacker, the clients and the server are one process here,
// and of the two that a small machine lets run the attacker often has one and the server the other: a client's answer
// would then wait until the scheduler takes one away from them. The server has as many shards as without.
func (o *floodOptions) forThree() (restore func()) {
	were := runtime.GOMAXPROCS(0)
	if o.shards = min(1<<(bits.Len(uint(were))-1), 8); os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(max(were, 8))
	}
	return func() { runtime.GOMAXPROCS(were) }
}

// record has the host's first connections kept, those of the clients and those
// of the flood, where they are to be written.
func (o *floodOptions) record(cfg *handfast.Config) {
	if !o.out.wanted() {
		return
	}
	o.recorder = live.New(live.Options{Host: stage.OurName, Peer: aClient[o.stdout.lang], Port: tryPort, Connections: 3, Head: 10, Tail: 64, Lang: o.stdout.lang,
		Known: stage.KernelAddrs, Strangers: 5})
	cfg.Trace = o.recorder.Events
}

// undefended is what a server without a defence has.
var undefended = defenceOptions{halfOpen: 128, backlog: handfast.DefaultBacklog, synAckRetries: 5,
	cookies: cookieMode(tcp.CookiesOff), attackMode: "off"}

// rounds runs one round, or two, and says what came of it.
func (o *floodOptions) rounds(ctx context.Context) error {
	r := &floodReport{floodOptions: o, plan: o.plan()}
	for i, f := range r.plan {
		res, err := o.round(ctx, r, i, f)
		if ctx.Err() != nil {
			return r.stopped(ctx)
		}
		if err != nil {
			return err
		}
		r.results = append(r.results, res)
	}
	r.table()
	if last := r.results[len(r.results)-1]; last.answered < o.clients {
		return say.Errorf(say.Text{"%d of %d honest clients had no answer; of the last one: %w", "%[2]d 个正常客户端中有 %[1]d 个没有得到应答；最后一个的原因：%[3]w"}, o.clients-last.answered, o.clients, last.lastFail)
	}
	return nil
}

// floodRound is one fight, and what it shows.
type floodRound struct {
	settings    defenceOptions
	title, head say.Text
	arena       func(*floodOptions, handfast.Config) (*floodArena, error)
	behind      func() map[string]uint64 // counters of the kernel behind a guard
}

// plan is which rounds there are.
func (o *floodOptions) plan() []*floodRound {
	with := func(title say.Text, d defenceOptions, head say.Text) *floodRound {
		return &floodRound{settings: d, title: say.Text{title[0] + d.String(), title[1] + d.String()}, head: head, arena: ownArena}
	}
	switch {
	case o.guard:
		return o.guardPlan()
	case o.demo:
		return []*floodRound{with(say.Text{"1. Without the defence: ", "1. 无防御："}, undefended, say.Text{"without", "无防御"}),
			with(say.Text{"2. With the defence, as it is by default: ", "2. 有防御（默认设置）："}, o.defence, say.Text{"with the defence", "有防御"})}
	}
	return []*floodRound{with(say.Text{"With these settings: ", "使用这些设置："}, o.defence, say.Text{"with these settings", "使用这些设置"})}
}

// arena makes the place, as --link says.
func (o *floodOptions) arena(cfg handfast.Config) (*floodArena, error) {
	if o.link != "memory" {
		a, err := newKernelFlood(o.link, cfg)
		if err == nil || o.link != "auto" {
			return a, err
		}
		o.fallBack(o.stderr, floodInstead, err)
	}
	return newMemoryFlood(cfg)
}
