// Package handfast is TCP for Go programs, outside the kernel.
//
// A [Host] is an IP host of the program's own. It has links (package link: a
// TUN device, an Ethernet device, a pipe in memory, or one that you write),
// addresses and routes on them, and TCP and UDP above. What it gives out are
// the types that programs know: [TCPConn] is a net.Conn, [TCPListener] a
// net.Listener, [UDPConn] a net.PacketConn, and they behave like their siblings
// in package net. net/http runs on them unchanged.
//
// # Start
//
//	h, err := handfast.New(handfast.Config{})
//	err = h.Attach(device, handfast.LinkOptions{
//		Addresses: []netip.Prefix{netip.MustParsePrefix("10.77.0.2/24")},
//		Gateway:   netip.MustParseAddr("10.77.0.1"),
//	})
//	l, err := h.Listen("tcp", ":80")
//	err = http.Serve(l, handler)
//
// and on the other side
//
//	c, err := h.Dial("tcp", "10.77.0.2:80")
//	client := http.Client{Transport: &http.Transport{DialContext: h.DialContext}}
//
// Dial takes numeric addresses, unless [Config].NameServers or
// [Config].Resolver says who looks up names. [Dialer] has the options of a dial.
//
// # Errors
//
// Errors are those of package net: a *net.OpError around net.ErrClosed,
// os.ErrDeadlineExceeded, or an os.SyscallError with the number that the
// kernel's call would have given, so that errors.Is finds
//
//	syscall.ECONNREFUSED   no program listens there
//	syscall.ECONNRESET     the peer has reset the connection
//	syscall.ETIMEDOUT      the peer has stopped answering
//	syscall.EPIPE          a write after CloseWrite, or to a peer that has closed
//	syscall.EADDRINUSE     another listener has the port
//	syscall.EADDRNOTAVAIL  the address is not the host's, or no port is free
//	syscall.ENETUNREACH    there is no route
//	syscall.EHOSTUNREACH   no host answers for the address, or a router said so
//
// When a link fails, the others go on. Dial, and Write of a datagram, to what is
// reached by the failed one return a [*LinkError] that names it and is a
// syscall.ENETDOWN. Connections over it are not told: as under a kernel whose
// interface has vanished they end by their own timers, or go on when a link with
// the same addresses and routes is attached in time. [Host.Links] shows which
// links there are, and [Config].Logger is told. With its last link the whole host
// fails: every blocked call and every later one returns a [*LinkError].
// [Host.Done] and [Host.Err] tell that to a program that wants to know. [Host.Close] resets
// what is still connected and returns when no goroutine of the host is left.
//
// # What differs from package net
//
//   - There are no file descriptors, so no File. [TCPConn.SyscallConn] is there
//     for pools that look whether an idle connection was closed (go-redis,
//     go-sql-driver/mysql), and for nothing else; http.Transport reads instead,
//     which works too. Socket options set by hand (RawConn.Control,
//     golang.org/x/net/ipv4) and pollers of descriptors cannot work: what Linux has
//     options for has methods of [UDPConn] (JoinGroup, SetMulticastTTL and the others that
//     golang.org/x/net/ipv4 has for groups), of [TCPConn] (SetTOS, SetTTL, SetCork, SetQuickAck,
//     SetNotSentLowat, SetUserTimeout, SetCongestionControl, WriteMore, WriteRecord, Peek,
//     Queued) and
//     fields of [Dialer] and [ListenOptions].
//   - Raw IP sockets are for pings only, ip4:icmp and ip6:ipv6-icmp: see [PingConn].
//   - [UDPConn] has no SyscallConn and no control messages: [UDPConn.ReadFromTo]
//     and [UDPConn.WriteFromTo] tell and choose the host's own address.
//   - net.Buffers does not know our connections and calls Write for each piece.
//     Small pieces go together all the same when they come fast;
//     [TCPConn.WriteBuffers], and ReadFrom of a *net.Buffers, write them at once.
//   - On a host with several links the zone of a link-local address is the name of one, as
//     [Host.Links] tells it; without one the address is where it was heard, or on the first
//     link. Addresses that are told have no zone, and two hosts with the same link-local
//     address on two links cannot both be reached.
//   - A connection that was reset goes on failing with ECONNRESET when it is
//     read; the kernel says so once and then io.EOF, as if all had come.
//   - A dial that takes too long is a context.DeadlineExceeded. In package net it
//     hangs on a race whether it is that or an os.ErrDeadlineExceeded.
//   - Where there was no datagram there is no address: nil, or an invalid
//     netip.AddrPort, also where package net has 0.0.0.0:0.
//   - The limits of [Config].TCP hold for each shard.
//
// # How it works
//
// Connections are spread over shards by a hash of their addresses and ports. A
// shard is a pure host.Host, which knows no goroutine and no clock, behind one
// mutex and one timer. One goroutine for each queue of each link reads packets
// in batches and gives them to the shards; whoever has made a shard have
// something to send, such a goroutine or the program's in Write, sends it.
// Bytes are copied between the program's memory and ours, and links are read
// and written, while no lock is held.
//
// An idle connection has no goroutine, no timer and no buffer of its own.
//
// The files: host.go is the Host, shard.go a part of it with its lock, packets.go
// the way of packets between links and shards, links.go and address.go what a host
// is called. conn*.go are TCPConn, listen.go and forward.go listeners, dial.go and
// connect.go the way to a connection, udp*.go and ping.go sockets; wait.go is how
// calls wait, stats.go how it is looked at from outside.
package handfast
