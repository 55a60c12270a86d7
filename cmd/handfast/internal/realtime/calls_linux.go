package realtime

import (
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/lab/drill"
	"github.com/handfast-tcp/handfast/lab/drill/script"
)

// call is a system call: what it gives, as Go's packages have it.
type call func(k *Kernel, fd int, c *script.Call) (int, error)

// calls are the calls that are played, without those that make sockets.
var calls = map[string]call{
	"bind":       func(k *Kernel, fd int, c *script.Call) (int, error) { return 0, unix.Bind(fd, k.own(c)) },
	"listen":     func(_ *Kernel, fd int, c *script.Call) (int, error) { return 0, unix.Listen(fd, number(c, 1)) },
	"connect":    func(k *Kernel, fd int, c *script.Call) (int, error) { return 0, k.connect(fd, c) },
	"shutdown":   func(_ *Kernel, fd int, c *script.Call) (int, error) { return 0, unix.Shutdown(fd, number(c, 1)) },
	"read":       read,
	"recv":       read,
	"recvfrom":   read,
	"readv":      read,
	"recvmsg":    read,
	"write":      write,
	"send":       write,
	"sendto":     write,
	"writev":     write,
	"sendmsg":    write,
	"setsockopt": setOption,
	"getsockopt": getOption,
	"fcntl": func(_ *Kernel, fd int, c *script.Call) (int, error) {
		return unix.FcntlInt(uintptr(fd), number(c, 1), number(c, 2))
	},
	"ioctl":   ioctl,
	"poll":    nil, // it names its sockets otherwise
	"accept":  nil,
	"accept4": nil,
	"socket":  nil,
	"close":   nil,
}

// Begin begins a call on a goroutine of its own, since it may wait.
func (k *Kernel) Begin(c *script.Call) error {
	make, known := calls[c.Name]
	if !known {
		return say.Errorf(say.Text{"%s is not played against a kernel", "%s 不能针对内核执行"}, c.Name)
	}
	if c.Name == "socket" {
		return k.space.Do(func() error {
			fd, err := k.socket(c)
			k.returned(fd, err)
			return nil
		})
	}
	fd, err := k.descriptor(c)
	if err != nil {
		return err
	}
	go func() {
		n, err := 0, error(nil)
		switch c.Name {
		case "accept", "accept4":
			n, err = k.accept(fd, c)
		case "close":
			err = k.close(fd, c)
		case "poll":
			n, err = k.poll(c)
		default:
			n, err = make(k, fd, c)
		}
		k.returned(n, err)
	}()
	return nil
}

// returned tells the outcome of a call.
func (k *Kernel) returned(n int, err error) {
	h := drill.Happening{At: time.Since(k.began), Value: int64(n)}
	if e, ok := err.(unix.Errno); ok {
		h.Value, h.Errno = -1, unix.ErrnoName(e)
	} else if err != nil {
		h.Value, h.Errno = -1, err.Error()
	}
	k.calls <- h
}

// number returns an argument that is a number; 0: there is none.
func number(c *script.Call, i int) int {
	if i >= len(c.Args) {
		return 0
	}
	return int(c.Args[i].Number)
}

// descriptor returns the socket that the first argument names; of poll there is none.
func (k *Kernel) descriptor(c *script.Call) (int, error) {
	if c.Name == "poll" {
		return -1, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	fd, ok := k.sockets[int64(number(c, 0))]
	if !ok {
		return 0, say.Errorf(say.Text{"there is no socket %d: one is made by socket or accept", "没有套接字 %d：它由 socket 或 accept 创建"}, number(c, 0))
	}
	return fd, nil
}

// keep remembers a descriptor under the number that the script gives it, and returns that.
func (k *Kernel) keep(fd int, c *script.Call) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	name := c.Result.Number
	if c.Result.Kind != script.Number || name < 0 {
		name = int64(len(k.sockets) + 3)
	}
	k.sockets[name] = fd
	return int(name)
}

func (k *Kernel) socket(c *script.Call) (int, error) {
	family := unix.AF_INET
	if k.machine.Version == 6 {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, number(c, 1)|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	return k.keep(fd, c), nil
}

func (k *Kernel) accept(fd int, c *script.Call) (int, error) {
	child, _, err := unix.Accept4(fd, number(c, 3)&unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	if err != nil {
		return 0, err
	}
	return k.keep(child, c), nil
}

func (k *Kernel) close(fd int, c *script.Call) error {
	k.mu.Lock()
	delete(k.sockets, int64(number(c, 0)))
	k.mu.Unlock()
	return unix.Close(fd)
}

// connect connects, or, to AF_UNSPEC, takes that back.
func (k *Kernel) connect(fd int, c *script.Call) error {
	if len(c.Args) < 2 || c.Args[1].Text != "AF_UNSPEC" {
		return unix.Connect(fd, k.peer(c))
	}
	var nobody unix.RawSockaddr
	if _, _, e := unix.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&nobody)), unsafe.Sizeof(nobody)); e != 0 {
		return e
	}
	return nil
}

// own and peer return the addresses that bind and connect mean.
func (k *Kernel) own(c *script.Call) unix.Sockaddr {
	return address(k.machine.Local, portOf(c, k.machine.BindPort))
}

func (k *Kernel) peer(c *script.Call) unix.Sockaddr {
	return address(k.machine.Remote, portOf(c, k.machine.ConnectPort))
}

func portOf(c *script.Call, usual uint16) int {
	for _, name := range []string{"sin_port", "sin6_port"} {
		if len(c.Args) > 1 {
			if f := c.Args[1].Field(name); f != nil && f.Number != 0 {
				return int(f.Number)
			}
		}
	}
	return int(usual)
}

func address(a netip.Addr, port int) unix.Sockaddr {
	if a.Is4() {
		return &unix.SockaddrInet4{Port: port, Addr: a.As4()}
	}
	return &unix.SockaddrInet6{Port: port, Addr: a.As16()}
}

// size returns how many bytes a call reads or writes, and its flags.
func size(c *script.Call) (n, flags int) {
	vector := func(v *script.Value) (n int) {
		for i := range v.Items {
			if part := v.Items[i].Items; len(part) == 2 {
				n += int(part[1].Number)
			}
		}
		return n
	}
	switch c.Name {
	case "readv", "writev":
		return vector(&c.Args[1]), 0
	case "recvmsg", "sendmsg":
		if v := c.Args[1].Field("msg_iov"); v != nil {
			n = vector(v)
		}
		return n, number(c, 2)
	}
	return number(c, 2), number(c, 3)
}

func read(_ *Kernel, fd int, c *script.Call) (int, error) {
	n, flags := size(c)
	got, _, err := unix.Recvfrom(fd, make([]byte, n), flags)
	return got, err
}

func write(k *Kernel, fd int, c *script.Call) (int, error) {
	n, flags := size(c)
	b := make([]byte, n)
	if len(c.Args) > 1 && c.Args[1].Kind == script.Text {
		copy(b, c.Args[1].Text)
	}
	if flags&unix.MSG_FASTOPEN != 0 {
		return unix.SendmsgN(fd, b, nil, k.peer(c), flags|unix.MSG_NOSIGNAL)
	}
	return unix.SendmsgN(fd, b, nil, nil, flags|unix.MSG_NOSIGNAL)
}

func setOption(_ *Kernel, fd int, c *script.Call) (int, error) {
	if len(c.Args) < 4 {
		return 0, unix.EINVAL
	}
	level, name, v := number(c, 1), number(c, 2), &c.Args[3]
	values := []int64{v.Number}
	if v.Kind == script.List || v.Kind == script.Struct {
		values = values[:0]
		for i := range v.Items {
			values = append(values, v.Items[i].Number)
		}
	}
	switch {
	case len(v.Items) > 0 && v.Items[0].Kind == script.Text:
		return 0, unix.SetsockoptString(fd, level, name, v.Items[0].Text)
	case v.Kind == script.Text:
		return 0, unix.SetsockoptString(fd, level, name, v.Text)
	case name == unix.SO_LINGER && level == unix.SOL_SOCKET && len(values) == 2:
		return 0, unix.SetsockoptLinger(fd, level, name, &unix.Linger{Onoff: int32(values[0]), Linger: int32(values[1])})
	case len(values) == 2:
		t := unix.NsecToTimeval(values[0]*1e9 + values[1]*1e3)
		return 0, unix.SetsockoptTimeval(fd, level, name, &t)
	case len(values) == 1:
		return 0, unix.SetsockoptInt(fd, level, name, int(values[0]))
	}
	return 0, unix.EINVAL
}

// getOption reads an option; what it is, is not compared.
func getOption(_ *Kernel, fd int, c *script.Call) (int, error) {
	_, err := unix.GetsockoptString(fd, number(c, 1), number(c, 2))
	return 0, err
}

// ioctl asks how much is queued, which is not compared, or sets FIONBIO.
func ioctl(_ *Kernel, fd int, c *script.Call) (int, error) {
	if int64(number(c, 1)) == script.Constants["FIONBIO"] {
		return 0, unix.SetNonblock(fd, len(c.Args) > 2 && (c.Args[2].Number != 0 || len(c.Args[2].Items) > 0 && c.Args[2].Items[0].Number != 0))
	}
	_, err := unix.IoctlGetInt(fd, uint(number(c, 1)))
	return 0, err
}

func (k *Kernel) poll(c *script.Call) (int, error) {
	var list []unix.PollFd
	k.mu.Lock()
	for i := range c.Args[0].Items {
		item := &c.Args[0].Items[i]
		if fd, events := item.Field("fd"), item.Field("events"); fd != nil && events != nil {
			list = append(list, unix.PollFd{Fd: int32(k.sockets[fd.Number]), Events: int16(events.Number)})
		}
	}
	k.mu.Unlock()
	return unix.Poll(list, number(c, 2))
}
