package main

import (
	"slices"

	"github.com/spf13/pflag"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/engine/tcp"
)

// withKernel are the flags that count where the server stays its kernel's.
var withKernel = []string{"kernel", "listen", "device", "cookies", "cookie-seeds", "config", "metrics", "verdicts"}

// checkKernel finds what contradicts --kernel: there is no link, no back end, and no host.
func (o *guardOptions) checkKernel(f *pflag.FlagSet) (err error) {
	f.VisitAll(func(x *pflag.Flag) {
		if x.Changed && !slices.Contains(withKernel, x.Name) && err == nil {
			err = usagef(say.Text{"--%s does not go with --kernel: connections are the kernel's there", "--%s 不能与 --kernel 一起使用：那时连接属于内核"}, x.Name)
		}
	})
	switch {
	case err != nil:
		return err
	case o.device == "":
		return usagef(say.Text{"--kernel: --device names the device by which clients come (ip link shows which there are)", "--kernel：用 --device 指定客户端到来的设备（ip link 列出所有设备）"})
	case tcp.CookieMode(o.defence.cookies) == tcp.CookiesOff:
		return usagef(say.Text{"--cookies off does not go with --kernel, which does nothing else", "--cookies off 不能与 --kernel 一起使用：它只做这一件事"})
	}
	return nil
}
