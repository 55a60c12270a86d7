package main

import (
	"github.com/handfast-tcp/handfast"
	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
)

// guardPlan shows what a guard is good for: one server three times.
func (o *floodOptions) guardPlan() []*floodRound {
	alone := func(cookies string) func(*floodOptions, handfast.Config) (*floodArena, error) {
		return func(o *floodOptions, _ handfast.Config) (*floodArena, error) { return newKernelServer(o, cookies) }
	}
	return []*floodRound{
		{title: say.Text{"1. The kernel alone, without its cookies: sysctl net.ipv4.tcp_syncookies=0", "1. 只有内核，不用 cookie：sysctl net.ipv4.tcp_syncookies=0"},
			head: say.Text{"kernel, no cookies", "内核，无 cookie"}, settings: o.defence, arena: alone("0")},
		{title: say.Text{"2. The kernel alone, as it is by default: sysctl net.ipv4.tcp_syncookies=1", "2. 只有内核，默认设置：sysctl net.ipv4.tcp_syncookies=1"},
			head: say.Text{"kernel", "内核"}, settings: o.defence, arena: alone("1")},
		{title: say.Text{"3. The same server behind handfast guard", "3. 同一服务器，在 handfast guard 后面"},
			head: say.Text{"behind a guard", "在 guard 后面"}, settings: o.defence, arena: guardArena, behind: kernelCounters},
	}
}

// own is a counter of the server's kernel.
func (f *floodResult) own(name string) uint64 {
	if f.behind != nil {
		return f.behind[name]
	}
	return f.counters[name]
}
