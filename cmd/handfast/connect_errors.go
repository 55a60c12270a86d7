package main

import (
	"context"
	"errors"
	"net/netip"
	"syscall"
	"time"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/lab/story"
)

var noAnswer = say.Text{
	story.English: "no answer from %v within %v: no host has the address, something on the way drops the SYN, or the listener's queue is full.\n" +
		"  Packets of a TUN leave this machine only if it forwards them and translates their addresses",
	story.Chinese: "%v 在 %v 内没有应答：没有主机使用该地址，或途中有设备丢弃 SYN，或监听队列已满。\n" +
		"  只有本机转发报文并转换其地址，TUN 的报文才能到达本机之外",
}

// explainDial explains why there is no connection.
func explainDial(err error, to netip.AddrPort, waited time.Duration) error {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return say.Errorf(say.Text{"%v refused: the host is there, but no program listens on port %d (a reset answered the SYN)", "%v 拒绝连接：主机存在，但没有程序监听端口 %d（SYN 得到的应答是 RST）"}, to, to.Port())
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return say.Errorf(noAnswer, to, waited)
	}
	return err
}

// explainEnd says what it means that a connection ended.
func explainEnd(err error) error {
	switch {
	case errors.Is(err, syscall.ECONNRESET):
		return say.Errorf(say.Text{"the peer has reset the connection: its program died, or closed before it had read everything: %w", "对端复位了连接：其程序已终止，或在读完全部数据之前就关闭了：%w"}, err)
	case errors.Is(err, syscall.ECONNABORTED):
		return say.Errorf(say.Text{"the connection was ended at this end, as ss -K does: %w", "连接在本端被终止，例如被 ss -K：%w"}, err)
	case errors.Is(err, syscall.ETIMEDOUT):
		return say.Errorf(say.Text{"the peer has stopped answering: %w", "对端不再应答：%w"}, err)
	}
	return err
}
