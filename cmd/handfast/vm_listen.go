package main

import (
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/handfast-tcp/handfast/cmd/handfast/internal/say"
	"github.com/handfast-tcp/handfast/link"
	"github.com/handfast-tcp/handfast/link/stream"
)

// doorKind is a kind of --listen.
type doorKind struct {
	network string
	framing stream.Framing
}

var doorKinds = map[string]doorKind{
	"unix":          {"unix", stream.Detect},
	"hyperkit-bare": {"unix", stream.HyperkitBare},
	"unixgram":      {"unixgram", stream.Message},
	"unixpacket":    {"unixpacket", stream.Message},
	"tcp":           {"tcp", stream.Detect},
}

// listen opens a door for machines.
func (m *machines) listen(text string) error {
	kind, place, _ := strings.Cut(text, ":")
	if kind == "tap" && place != "" {
		return m.openTAP(text, place)
	}
	k, known := doorKinds[kind]
	if !known || place == "" {
		return usagef(say.Text{"--listen %s: it is unix:PATH, hyperkit-bare:PATH, unixgram:PATH, unixpacket:PATH, tcp:HOST:PORT or tap:NAME", "--listen %s：可选 unix:PATH, hyperkit-bare:PATH, unixgram:PATH, unixpacket:PATH, tcp:HOST:PORT 或 tap:NAME"}, text)
	}
	l, err := stream.Listen(k.network, place, stream.Options{Framing: k.framing, Name: text, MTU: m.options.mtu})
	if err != nil {
		return say.Errorf(say.All("--listen %s: %w"), text, err)
	}
	m.close = append(m.close, l.Close)
	m.running.Go(func() { m.accept(text, l) })
	return nil
}

// accept takes machines in until the listener is closed.
func (m *machines) accept(text string, l *stream.Listener) {
	for {
		machine, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			m.fail(say.Errorf(say.All("--listen %s: %w"), text, err))
			return
		}
		m.running.Go(func() { m.serve(text, machine) })
	}
}

func (m *machines) fail(err error) {
	select {
	case m.failed <- err:
	default: // it fails already
	}
}

// serve carries the frames of one machine until it goes.
func (m *machines) serve(text string, l link.Link) {
	m.mu.Lock()
	m.count++
	n := m.count
	m.mu.Unlock()
	m.say(say.Text{"machine %d has connected through %s", "虚拟机 %d 经由 %s 接入"}, n, text)
	bad := m.options.bad
	bad.seed += uint64(n - 1) // each has a fate of its own
	port, err := bad.wrap(l)
	if err != nil {
		l.Close()
	} else {
		err = m.bridge.Serve(port)
	}
	switch {
	case errors.Is(err, link.ErrClosed), errors.Is(err, net.ErrClosed):
	case errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE): // frames of ours were still on their way
		m.say(say.Text{"machine %d has disconnected", "虚拟机 %d 已离开"}, n)
	default:
		m.say(say.Text{"machine %d has disconnected: %v", "虚拟机 %d 已离开：%v"}, n, err)
	}
}
